"""Progress in a terminal: a live view where there is a screen, a line now and then where there is not."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from flows.cli import first_sign
from flows.cli.terminal import has_screen, is_quiet, say
from tasks.progress import StudyProgress
from tasks.progress_snapshot import clock

LIVE_SECONDS = 0.5
PLAIN_SECONDS = 10.0


@contextmanager
def shown(progress: StudyProgress, study: str) -> Iterator[None]:
    """Show the progress on stderr until the block ends; nothing of it with `-q`."""
    if is_quiet():
        yield
        return
    first_sign.stop()
    stop = threading.Event()
    target, words = (_show_live, (progress, stop, study)) if has_screen(sys.stderr) else (_show_plain, (progress, stop))
    thread = threading.Thread(target=target, args=words, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _show_live(progress: StudyProgress, stop: threading.Event, study: str) -> None:
    from rich.console import Console
    from rich.live import Live

    from flows.cli.live_view import live_view

    console = Console(stderr=True, highlight=False)
    blocks = console.encoding.lower().startswith("utf")
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while not stop.wait(LIVE_SECONDS):
            width, height = console.size
            live.update(live_view(study, progress.snapshot(), width=width, height=height, blocks=blocks))


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
