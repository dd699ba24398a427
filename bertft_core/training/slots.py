"""Slots and their warm workers: each slot owns one process, leased to one run at a time.

`multiprocessing` and the pools built on it re-import the parent's `__main__` in the child (in a deployment that is Prefect's
engine) and cannot give each slot its own environment before torch loads, so a worker is a plain child process that speaks
JSON lines; see docs/decisions/0003.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.records import RunSpec
from bertft_core.records.store import write_record

OnEvent = Callable[[dict[str, Any]], None]


class WorkerDied(RuntimeError):
    """The worker process ended in the middle of a run: killed, out of memory, or crashed in native code."""


class Stopping(WorkerDied):
    """The study is ending: no run starts any more."""


class RunFailed(RuntimeError):
    """The run raised an error inside a healthy worker."""


class Worker:
    """One warm child process."""

    def __init__(self, environment: dict[str, str], log_path: Path) -> None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bertft_core.training.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | environment,
                start_new_session=True,  # Ctrl-C in a terminal is for the parent, which then ends its workers
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def run(self, spec: RunSpec, run_dir: Path, on_event: OnEvent) -> None:
        """Train one run and pass its events on; returns when its record is written.

        Raises `WorkerDied`, `RunFailed`, or `UserError` for a mistake only the user can mend.
        """
        run_dir.mkdir(parents=True, exist_ok=True)
        spec_path = run_dir / "spec.json"
        write_record(spec_path, spec)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"spec": str(spec_path), "run_dir": str(run_dir)}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerDied(self._obituary()) from None
        for event in self._events():
            if event["kind"] == "done":
                return
            if event["kind"] == "error":
                raise UserError(event["text"]) if event["user"] else RunFailed(event["text"])
            on_event(event)
        raise WorkerDied(self._obituary())

    def _events(self) -> Iterator[dict[str, Any]]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            if event["kind"] != "ready":
                yield event

    def _obituary(self) -> str:
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return "the worker was killed (SIGKILL: by a person, or by the kernel because memory ran out)"
        if code < 0:
            return f"the worker was ended by {signal.Signals(-code).name}"
        return f"the worker ended with exit code {code}"

    def kill(self) -> None:
        """End the process now and wait until it is gone."""
        if self.alive:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class Slots:
    """A fixed number of slots; a run leases one, and finds a warm worker in it."""

    def __init__(self, environments: list[dict[str, str]], log_dir: Path) -> None:
        self._workers = [Worker(environment, log_dir / f"worker-{i}.log") for i, environment in enumerate(environments)]
        self._environments, self._log_dir = environments, log_dir
        self._free: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._closed = threading.Event()
        for i in range(len(environments)):
            self._free.put(i)

    @property
    def n(self) -> int:
        return len(self._workers)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are alive."""
        return [worker.pid for worker in self._workers if worker.alive]

    @contextmanager
    def lease(self) -> Iterator[Worker]:
        """A worker of one's own, replaced beforehand when the last one died. Raises `Stopping` after `close`."""
        slot = self._free.get()
        try:
            if self._closed.is_set():
                raise Stopping("the study is stopping")
            if not self._workers[slot].alive:
                self._workers[slot].kill()
                self._workers[slot] = Worker(self._environments[slot], self._log_dir / f"worker-{slot}.log")
            yield self._workers[slot]
        finally:
            self._free.put(slot)

    def close(self) -> None:
        """End every worker at once; runs in them raise `WorkerDied`."""
        self._closed.set()
        for worker in self._workers:
            worker.kill()

    def __enter__(self) -> Slots:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
