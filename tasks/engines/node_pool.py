"""Slots on nodes that come and go: as many as there is work for, asked for beside those that run.

Only slots that answer are handed out. One that is lost is asked for anew in a thread of its own, so that whoever waits gets the
next one that is free, wherever it is. What is idle for long is given back to the cluster.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

from bertft_core.config import UserError
from bertft_core.training.remote_worker import NodeLost
from bertft_core.training.workers import SlotsClosing

Slot = TypeVar("Slot")

IDLE_SECONDS = 60.0
"""After this, a slot that nobody needs is given back."""
CLOSE_SECONDS = 5.0
"""How long closing waits for those who have slots to leave them."""
PAUSE_SECONDS = 1.0
"""Before a slot is asked for again that could not start."""


class NodePool(Generic[Slot]):
    """At most `n` slots. Methods may be called from any thread."""

    def __init__(
        self,
        n: int,
        ask: Callable[[], Slot],
        wait_for: Callable[[Slot], object],
        end: Callable[[Slot], object],
        *,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """`ask` returns at once, `wait_for` when the slot answers; that raises `NodeLost`, or `UserError` to end everything."""
        self.n, self.closed = n, False
        self._ask, self._wait_for, self._end, self._idle_seconds = ask, wait_for, end, idle_seconds
        self._changed = threading.Condition()
        self._free: list[tuple[float, Slot]] = []
        self._leased: list[Slot] = []
        self._starting: list[Slot] = []
        self._withdrawn: list[Slot] = []
        self._n_starting = self._n_waiting = 0
        self._refusal: UserError | None = None
        self._tell: Callable[[str | None], object] = lambda text: None
        self._said: str | None = None
        threading.Thread(target=self._retire, daemon=True).start()

    def listen(self, tell: Callable[[str | None], object]) -> None:
        """`tell` hears what runs wait for, in words, and None when they wait no more."""
        with self._changed:
            self._tell = tell
            self._say()

    def warm_up(self, n: int) -> None:
        """Ask for so many slots before there is work for them."""
        with self._changed:
            self._start(min(n, self.n))

    def take(self) -> Slot:
        """A slot that answers, for the caller alone. Raises `SlotsClosing`, and `UserError` where no slot can work."""
        with self._changed:
            self._n_waiting += 1
            try:
                while not self._free:
                    self._raise_if_over()
                    self._start(len(self._leased) + self._n_waiting)
                    self._say()
                    self._changed.wait()
                self._raise_if_over()
                slot = self._free.pop()[1]  # the one used last has the most in its caches
            finally:
                self._n_waiting -= 1
            self._leased.append(slot)
            self._say()
            return slot

    def give_back(self, slot: Slot) -> None:
        """The slot has nothing to do."""
        with self._changed:
            self._leased.remove(slot)
            if is_wanted := slot not in self._withdrawn:
                self._free.append((time.monotonic(), slot))
            self._changed.notify_all()
        if not is_wanted:
            self._end_quietly(slot)

    def withdraw(self, slot: Slot) -> None:
        """Hand the slot out no more: it is ended, now or as soon as whoever has it gives it back."""
        with self._changed:
            self._withdrawn.append(slot)
            is_free = any(slot is free for _, free in self._free)
            self._free = [(since, free) for since, free in self._free if free is not slot]
        if is_free:
            self._end_quietly(slot)

    def lose(self, slot: Slot) -> None:
        """The slot does not answer, or must not be used again."""
        with self._changed:
            self._leased.remove(slot)
            self._changed.notify_all()
        self._end_quietly(slot)

    def close(self) -> None:
        """End every slot; whoever waits for one gets `SlotsClosing`."""
        with self._changed:
            self.closed = True
            slots = [*self._leased, *self._starting, *(slot for _, slot in self._free)]
            self._free.clear()
            self._changed.notify_all()
        with ThreadPoolExecutor(len(slots) or 1) as threads:
            list(threads.map(self._end_quietly, slots))
        with self._changed:  # whoever has a slot finds out that it is gone
            self._changed.wait_for(lambda: not self._leased and not self._n_starting, timeout=CLOSE_SECONDS)

    def _raise_if_over(self) -> None:
        if self.closed:
            raise SlotsClosing("the study is stopping")
        if self._refusal is not None:
            raise self._refusal

    def _start(self, wanted: int) -> None:
        """Ask for slots until so many are there or on their way."""
        missing = min(wanted, self.n) - len(self._free) - len(self._leased) - self._n_starting
        for _ in range(missing):
            self._n_starting += 1
            threading.Thread(target=self._bring_up, daemon=True).start()

    def _bring_up(self) -> None:
        slot = None
        try:
            slot = self._asked()
        except UserError as refusal:
            self._refusal = refusal
        except SlotsClosing:
            pass  # whoever waits for it hears that from the pool
        finally:
            with self._changed:
                self._n_starting -= 1
                is_wanted = not self.closed and slot not in self._withdrawn
                if slot is not None and is_wanted:
                    self._free.append((time.monotonic(), slot))
                self._say()
                self._changed.notify_all()
        if slot is not None and not is_wanted:
            self._end_quietly(slot)

    def _asked(self) -> Slot | None:
        """A slot that answers; None where the pool closes meanwhile."""
        while not self.closed:
            slot = self._ask()
            with self._changed:
                self._starting.append(slot)
            try:
                self._wait_for(slot)
                return slot
            except NodeLost:
                self._end_quietly(slot)
                time.sleep(PAUSE_SECONDS)
            finally:
                with self._changed:
                    self._starting.remove(slot)
        return None

    def _retire(self) -> None:
        """Give back what is idle for long, until the pool closes."""
        while not self.closed:
            with self._changed:
                self._changed.wait(self._idle_seconds / 4)
                late = time.monotonic() - self._idle_seconds
                idle = [] if self._n_waiting else [slot for since, slot in self._free if since < late]
                self._free = [(since, slot) for since, slot in self._free if slot not in idle]
            for slot in idle:
                self._end_quietly(slot)

    def _say(self) -> None:
        """Tell what is waited for, when it has changed."""
        there = len(self._free) + len(self._leased)
        text = None
        if self._n_waiting and not self._free and there < self.n:
            text = "waiting for a node" + (f" ({there} of {self.n} slots have one)" if there else "")
        if text != self._said:
            self._said = text
            self._tell(text)

    def _end_quietly(self, slot: Slot) -> None:
        with suppress(Exception):  # it may be gone already
            self._end(slot)
