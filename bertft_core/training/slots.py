"""Slots and their warm workers: each slot owns one process, leased to one run at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bertft_core.training.devices import usable_cores
from bertft_core.training.forked_workers import WorkerTemplate, can_fork
from bertft_core.training.kernel_probe import NOTHING_MEASURED, KernelProbe
from bertft_core.training.workers import RunFailed, SlotsClosing, Worker, WorkerDied

FEWEST_FORKED = 2
"""Slots on a CPU whose workers are forked: for one worker the process that it is forked from would be one too many."""


class Slots:
    """A number of slots; a run leases one, and finds a warm worker in it."""

    def __init__(self, environments: list[dict[str, str]], log_dir: Path) -> None:
        self._environments, self._log_dir = environments, log_dir
        self._workers: list[Worker] = []
        self._template: WorkerTemplate | None = None
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._closed, self._lock, self._busy = False, threading.Lock(), set[int]()
        self.resize(len(environments))

    @property
    def n(self) -> int:
        return len(self._workers)

    @property
    def is_closed(self) -> bool:
        """No run starts any more."""
        return self._closed

    def resize(self, n: int) -> None:
        """Have n slots, whose workers take turns in the environments; every slot must be free. Raises `SlotsClosing`."""
        with self._lock:
            if self._closed:
                raise SlotsClosing("the study is stopping")
            for worker in self._workers[n:]:
                worker.kill()
            del self._workers[n:]
            self._workers += [self._new_worker(i) for i in range(len(self._workers), n)]
            self._free = queue.SimpleQueue()
            for i in range(n):
                self._free.put(i)

    def _new_worker(self, slot: int) -> Worker:
        environment, log_path = self._environments[slot % len(self._environments)], self._log_dir / f"worker-{slot}.log"
        if len(self._environments) < FEWEST_FORKED or not can_fork(environment):
            return Worker.started(environment, log_path)
        if self._template is None or not self._template.alive:
            self._template = WorkerTemplate(environment, self._log_dir / "workers.log")
        return self._template.new_worker(log_path)

    def listen(self, tell: Callable[[str | None], object]) -> None:
        """`tell` would hear what runs wait for besides a free slot: on one machine, nothing."""

    @contextmanager
    def lease(self) -> Iterator[Worker]:
        """A worker of one's own, replaced when the last one died. Raises `SlotsClosing` after `close`, in mid-run too."""
        slot = self._free.get()
        try:
            yield self._live_worker(slot)  # it knows how many cores it may use before it is asked for anything
        except WorkerDied as death:
            if self._closed and not isinstance(death, SlotsClosing):
                raise SlotsClosing("the study is stopping") from death
            raise
        finally:
            with self._lock:
                self._busy.discard(slot)
                self._lend_cores()
            self._free.put(slot)

    def probe_kernels(self, threads: int) -> KernelProbe:
        """What a worker measured of this machine; nothing where two have died of it.

        Raises `SlotsClosing`, and `UserError` for a worker that does not start.
        """
        for _ in range(2):
            try:
                with self.lease() as worker:
                    return KernelProbe(**worker.probe_kernels(threads))
            except SlotsClosing:
                raise
            except (WorkerDied, RunFailed):
                continue
        return NOTHING_MEASURED

    def _live_worker(self, slot: int) -> Worker:
        with self._lock:  # no worker may start after `close`
            if self._closed:
                raise SlotsClosing("the study is stopping")
            if not self._workers[slot].alive:
                self._workers[slot].kill()
                self._workers[slot] = self._new_worker(slot)
            self._busy.add(slot)
            self._lend_cores()
            return self._workers[slot]

    def _lend_cores(self) -> None:
        """Let the runs of this moment have the cores of all slots; on a GPU they have no use for them."""
        on_cpu = [each for each in self._environments if each.get("CUDA_VISIBLE_DEVICES") == ""]
        cores = min(sum(int(each.get("OMP_NUM_THREADS", 0)) for each in on_cpu), usable_cores())
        for slot in self._busy if cores and not self._closed else ():
            self._workers[slot].lend(cores // len(self._busy))

    def leave(self) -> None:
        """Have every run that trains now save its state and stop; see `Worker.leave`."""
        with self._lock:
            for worker in self._workers:
                worker.leave()

    def interrupt(self) -> None:
        """End every worker now; each slot gets a fresh one at its next lease."""
        with self._lock:
            for worker in self._workers:
                worker.kill()

    def close(self) -> None:
        """End every worker at once; runs in them raise `SlotsClosing`."""
        with self._lock:
            self._closed = True
            if self._template is not None:
                self._template.kill()
            for worker in self._workers:
                worker.kill()

    def __enter__(self) -> Slots:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
