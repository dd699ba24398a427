"""What a study and a node tell each other where they have a store in common and nothing else.

<key>/request     what the node is to do, for as long as the study wants it
<key>/<number>    events, or none as a sign of life; the study deletes each when it has read it

Each side takes the other to be gone after `SILENCE_SECONDS`.
"""

import itertools
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bertft_core.artifacts.artifact_store import ArtifactMissing, ArtifactStore
from bertft_core.training.remote_jobs import ENDINGS, Event

BEAT_SECONDS = 10.0
"""A node that has nothing to tell writes at least this often."""
SILENCE_SECONDS = 120.0
"""More than a network file system takes to show what another machine has written."""
TICK_SECONDS = 0.5
"""How often each side looks."""
REQUEST, CONTENT = "request", "content.json"


class Mailbox:
    """One attempt at one job. `ask`, `remove` and `request` raise what the store raises."""

    def __init__(self, store: ArtifactStore, key: str) -> None:
        self.key, self._store, self._n = key, store, 0
        """`n` is the number of the last batch that this side has written or read."""
        self._is_deleted, self._read_at = True, 0.0
        """Of the study: the store has nothing any more of what was read last, and when that was."""

    def ask(self, request: dict[str, Any]) -> None:
        """Of the study: what the node is to do."""
        self._write(REQUEST, request)

    def read(self) -> list[Event] | None:
        """Of the study: the next events, perhaps none; None where nothing new is there, or the store is away."""
        with suppress(Exception):  # of whatever kind a store has
            self._delete_read()
            events: list[Event] | None = self._read(str(self._n + 1))
            if events is not None:
                self._n, self._is_deleted, self._read_at = self._n + 1, False, time.monotonic()
                with suppress(Exception):  # else before the next one: the node writes none until then
                    self._delete_read()
            return events
        return None

    def _delete_read(self) -> None:
        """Also when the node is silent for long: it may have written the same again, where it has heard of no success."""
        if self._n and (not self._is_deleted or time.monotonic() - self._read_at > BEAT_SECONDS):
            self._store.delete(f"{self.key}/{self._n}")
            self._is_deleted, self._read_at = True, time.monotonic()

    def remove(self) -> None:
        """Forget all of it; the node stops when it sees that."""
        self._store.delete(self.key)

    def request(self) -> dict[str, Any] | None:
        """Of the node: what it is to do; None where that is not, or no more, in the store that it sees."""
        return self._read(REQUEST)

    def report(self, batches: Iterator[list[Event]], give_up: Callable[[], object]) -> Event | None:
        """Of the node: pass on events up to the last one, which is returned, also while the store is away for a while.

        None where the study is gone, or wants the job no more: `give_up` is called, which must end the events soon.
        """
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        work = threading.Thread(target=pass_on, args=(batches, events.put), daemon=True)
        work.start()
        outbox: list[Event] = []
        sending: list[Event] | None = None
        """What the next batch has; once tried it stays, since it may have arrived though the store has said otherwise."""
        is_read, read, written = True, time.monotonic(), float("-inf")
        while time.monotonic() - read < SILENCE_SECONDS:
            outbox += arrived(events, TICK_SECONDS)
            with suppress(Exception):  # of whatever kind a store has: one that is away for long ends the loop
                if not self._store.has(f"{self.key}/{REQUEST}"):
                    break
                is_read = is_read or not self._store.has(f"{self.key}/{self._n}")
                read = time.monotonic() if is_read else read
                if is_read and (sending is not None or outbox or time.monotonic() - written > BEAT_SECONDS):
                    sending = list(outbox) if sending is None else sending
                    self._write(str(self._n + 1), sending)
                    self._n, is_read, written = self._n + 1, False, time.monotonic()
                    if sending and sending[-1]["kind"] in ENDINGS:
                        return sending[-1]
                    outbox, sending = outbox[len(sending) :], None
        give_up()
        work.join(BEAT_SECONDS)
        with suppress(Exception):
            self.remove()
        return None

    def _write(self, name: str, content: Any) -> None:
        with TemporaryDirectory() as folder:
            (Path(folder) / CONTENT).write_text(json.dumps(content), encoding="utf-8")
            self._store.put(f"{self.key}/{name}", Path(folder), [CONTENT])

    def _read(self, name: str) -> Any:
        with TemporaryDirectory() as folder:
            try:
                self._store.fetch(f"{self.key}/{name}", Path(folder))
            except ArtifactMissing:
                return None
            return json.loads((Path(folder) / CONTENT).read_text(encoding="utf-8"))


def pass_on(batches: Iterator[list[Event]], tell: Callable[[Event], object]) -> None:
    """Each event by itself."""
    for event in itertools.chain.from_iterable(batches):
        tell(event)


def arrived(events: "queue.SimpleQueue[Event]", seconds: float) -> list[Event]:
    """All that is there now, or comes first within some seconds."""
    found: list[Event] = []
    with suppress(queue.Empty):
        found.append(events.get(timeout=seconds))
        while True:
            found.append(events.get_nowait())
    return found
