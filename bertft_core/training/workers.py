"""What a study holds of its workers: one object each, which sends requests to a child process and passes on what it reports.

`multiprocessing` and the pools built on it re-import the parent's `__main__` in the child (in a deployment that is Prefect's
engine) and cannot give each slot its own environment before torch loads, so a worker is a plain child process that speaks
JSON lines; see docs/decisions/0003.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.data.reading_progress import READING
from bertft_core.processes import ChildLog, child_environment, how_it_ended
from bertft_core.records import DatasetCard, RunSpec
from bertft_core.storage.damage import Tell
from bertft_core.storage.study_dir import write_record
from bertft_core.training.curve_file import OnEvent, ignore


class WorkerDied(RuntimeError):
    """The worker process ended in the middle of a run: killed, out of memory, or crashed in native code."""


class SlotsClosing(WorkerDied):
    """The study is ending: no run starts any more."""


class WorkerLeft(WorkerDied):
    """The worker was asked to leave in the middle of a run, which has saved its state."""


class RunFailed(RuntimeError):
    """The run raised an error inside its worker, which is healthy, or gone where the error breaks a process (a CUDA error)."""


class WorkerProcess(Protocol):
    """What `subprocess.Popen` has, and `ForkedProcess`."""

    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self) -> int: ...
    def kill(self) -> None: ...


class Worker:
    """One warm child process."""

    def __init__(self, process: WorkerProcess, log: ChildLog, before: ChildLog | None = None) -> None:
        """`before` is the log of the process that this one is forked from, where it is."""
        self._process, self._log, self._before, self._is_ready = process, log, before, False

    @classmethod
    def started(cls, environment: dict[str, str], log_path: Path) -> Worker:
        """A process of its own from its first import on."""
        log = ChildLog(log_path)
        command = "bertft_core.training.worker"
        return cls(log.start(command, environment=child_environment(environment), stdout=subprocess.PIPE), log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def run(self, spec: RunSpec, run_dir: Path, on_event: OnEvent) -> None:
        """Train one run and pass its events on; returns when its record is written.

        Raises `WorkerDied`, `RunFailed`, or `UserError` for a mistake that only the user can fix.
        """
        self._carry_out({"do": "train"}, spec, run_dir, on_event)

    def probe(self, spec: RunSpec, run_dir: Path, probes: ProbesConfig) -> None:
        """Probe the model of a run; returns when `probes.json` is written. Raises as `run` does."""
        self._carry_out({"do": "probe", "probes": probes.model_dump(mode="json")}, spec, run_dir, ignore)

    def accumulate(self, spec: RunSpec, run_dir: Path) -> dict[str, Any]:
        """How exact the gradient of the run's first step is in several passes; see `accumulation_error`. Raises as `run` does."""
        found: list[dict[str, Any]] = []
        self._carry_out({"do": "accumulate"}, spec, run_dir, found.append)
        return found[-1]

    def try_run(self, spec: RunSpec, run_dir: Path, seconds: float) -> dict[str, Any]:
        """The fields of a `Trial` of the run, which leaves nothing but its spec. Raises as `run` does."""
        found: list[dict[str, Any]] = []
        self._carry_out({"do": "trial", "seconds": seconds}, spec, run_dir, found.append)
        return {name: value for name, value in found[-1].items() if name != "kind"}

    def probe_kernels(self, threads: int) -> dict[str, Any]:
        """The fields of a `KernelProbe`, measured in this process. Raises as `run` does."""
        found: list[dict[str, Any]] = []
        self._converse({"do": "probe_kernels", "threads": threads, "run_dir": str(self._log.path.parent)}, found.append)
        return {name: value for name, value in found[-1].items() if name != "kind"}

    def prepare(self, study: StudyConfig, home_dir: Path, tell: Tell) -> DatasetCard:
        """As `trial_step.prepare_and_try`, in this process. Raises as `run` does."""
        cards: list[DatasetCard] = []

        def on_event(event: dict[str, Any]) -> None:
            if event["kind"] == "problem":
                tell(event["text"])
            elif event["kind"] == "reading":
                READING.info(event["text"], extra=event["numbers"])
            else:
                cards.append(DatasetCard.model_validate(event["card"]))

        places = {"home": str(home_dir), "run_dir": str(self._log.path.parent)}
        self._converse({"do": "prepare", "study": study.model_dump(mode="json")} | places, on_event)
        return cards[-1]

    def _carry_out(self, request: dict[str, Any], spec: RunSpec, run_dir: Path, on_event: OnEvent) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        spec_path = run_dir / "spec.json"
        write_record(spec_path, spec)
        self._converse(request | {"spec": str(spec_path), "run_dir": str(run_dir)}, on_event)

    def _converse(self, request: dict[str, Any], on_event: OnEvent) -> None:
        """Send a request and pass on what the worker reports, until it is done."""
        answered = False
        try:
            self._send(request)
            for event in self._events():
                answered = event["kind"] in ("done", "error")
                if event["kind"] == "done":
                    return
                if event["kind"] == "left":
                    raise WorkerLeft("the node is being shut down")
                if event["kind"] == "error":
                    if event["broken"]:  # its CUDA context: every later run in it would fail as well
                        self.kill()
                    raise UserError(**event["user"]) if event["user"] else RunFailed(event["text"])
                on_event(event)
            raise self._death()
        finally:
            if not answered:  # the listener left: the next run must not hear this one
                self.kill()

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):  # gone, or closed by `kill`: then there are no events either
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def _events(self) -> Iterator[dict[str, Any]]:
        while line := self._next_line():
            event = _event_in(line)
            if event is None:
                continue
            if self._is_ready:
                yield event
            elif event["kind"] == "ready":  # before it, whatever a library printed is no answer, however much it looks like one
                self._is_ready = True

    def _next_line(self) -> bytes:
        assert self._process.stdout is not None
        try:
            return self._process.stdout.readline()
        except ValueError:  # `kill` in another thread has closed it
            return b""

    def _death(self) -> WorkerDied | UserError:
        code = self._process.wait()
        if code == -signal.SIGKILL:
            return WorkerDied("the worker was killed (SIGKILL: by a person, or by the kernel because memory ran out)")
        if code < 0 or self._is_ready:
            return WorkerDied(f"the worker {how_it_ended(code)}")
        log = self._log if self._before is None or not self._log.is_empty else self._before
        return UserError(  # every other worker would fail in the same way
            "a worker process does not start",
            code="worker.does-not-start",
            path=log.path,
            found=f"it exited with code {code}; the end of its log:\n{log.last_lines()}",
            hint="fix what the log says, then run the same command again",
        )

    def leave(self) -> None:
        """Have a run that trains now save its state and stop, which raises `WorkerLeft` where it was started."""
        self._send({"do": "leave"})

    def lend(self, cores: int) -> None:
        """How many cores a run may use from now on, its own included; that changes no bit of it."""
        self._send({"do": "lend", "cores": cores})

    def kill(self) -> None:
        """End the process now and wait until it is gone."""
        if self.alive:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # a request it never read
                    pipe.close()


def _event_in(line: bytes) -> dict[str, Any] | None:
    """The event of one line; None for a line that a kill has torn, or that something printed before the worker began."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "kind" in event else None
