"""Progress in a terminal: one live line where there is a screen, a line now and then where there is not."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bertft_core.control_characters import visible
from flows.cli.terminal import say
from tasks.progress import Snapshot, StudyProgress, clock

LIVE_SECONDS = 0.5
PLAIN_SECONDS = 10.0
BAR_WIDTH = 24


@contextmanager
def shown(progress: StudyProgress) -> Iterator[None]:
    """Show the progress on stderr until the block ends."""
    live = sys.stderr.isatty()
    stop = threading.Event()
    show = _show_live if live else _show_plain
    thread = threading.Thread(target=show, args=(progress, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _show_live(progress: StudyProgress, stop: threading.Event) -> None:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=4, transient=True) as live:
        while not stop.wait(LIVE_SECONDS):
            live.update(visible(_live_text(progress.snapshot())))


def _live_text(snapshot: Snapshot) -> str:
    filled = round(snapshot.share * BAR_WIDTH)
    return f"{'█' * filled}{'░' * (BAR_WIDTH - filled)} {clock(snapshot.seconds_elapsed)} · {snapshot.line()}"


def _show_plain(progress: StudyProgress, stop: threading.Event) -> None:
    """A line when the stage changes or a run ends, and at least every ten seconds."""
    last_key: tuple[object, ...] = ()
    last_time = 0.0
    while True:
        ended = stop.wait(LIVE_SECONDS)
        snapshot = progress.snapshot()
        key = (snapshot.stage, snapshot.done, snapshot.planned, snapshot.failed, snapshot.waits_for)
        now = time.monotonic()
        if key != last_key or now - last_time > PLAIN_SECONDS:
            say(f"[{clock(snapshot.seconds_elapsed)}] {snapshot.line()}", file=sys.stderr, flush=True)
            last_key, last_time = key, now
        if ended:
            return
