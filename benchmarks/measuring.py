"""Wall time, CPU time and memory of processes and everything they start."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

POLL_SECONDS, SAMPLE_SECONDS = 0.05, 0.5
GRACE_SECONDS = 30.0
LOG_TAIL_LINES = 30
FOREIGN = ("PREFECT_", "MLFLOW_", "BERTFT_")
"""Settings that could send a process to the user's own servers and folders; it starts without them."""


class ProcessFailed(RuntimeError):
    """A measured process ended with an error; the message holds the end of its log."""


@dataclass(frozen=True)
class Command:
    """One process to run."""

    title: str
    words: Sequence[str]
    log_path: Path


@dataclass
class Usage:
    """What a group of processes used, from the first start to the last end."""

    started_at: float = 0.0
    """Seconds since the epoch."""
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    """User and system time of all processes."""
    peak_memory_bytes: int = 0
    """Highest sum over all processes of the memory that they take; see `_memory`."""
    _cpu_by_process: dict[tuple[int, float], float] = field(default_factory=dict)

    def sample(self, roots: Sequence[subprocess.Popen]) -> None:
        """Look at the trees as they are now."""
        memory = 0
        for process in _trees(roots):
            with contextlib.suppress(psutil.Error), process.oneshot():
                memory += _memory(process)
                times = process.cpu_times()
                self._cpu_by_process[process.pid, process.create_time()] = times.user + times.system
        self.peak_memory_bytes = max(self.peak_memory_bytes, memory)

    def close(self, reaped_cpu_seconds: float) -> None:
        """End the measurement. Samples miss a process's last moments, reaping misses orphans: the larger count holds."""
        self.wall_seconds = time.time() - self.started_at
        self.cpu_seconds = max(reaped_cpu_seconds, sum(self._cpu_by_process.values()))


def run_measured(commands: Sequence[Command], slots: Sequence[dict[str, str]], on_end: Callable[[str, float], None]) -> Usage:
    """Run the commands, one per slot at a time, each with the slot's environment on top; `on_end` hears title and seconds.

    Raises `ProcessFailed` at the first exit code but 0; on any way out no process is left.
    """
    hint, free = list(reversed(commands)), list(reversed(slots))
    running: dict[subprocess.Popen, tuple[Command, dict[str, str], float]] = {}
    reaped_before, usage, sampled_at = _reaped_cpu_seconds(), Usage(started_at=time.time()), 0.0
    try:
        while hint or running:
            while hint and free:
                command, slot = hint.pop(), free.pop()
                running[_start(command, slot)] = (command, slot, time.time())
            if time.monotonic() - sampled_at > SAMPLE_SECONDS:
                usage.sample(list(running))
                sampled_at = time.monotonic()
            for process in [process for process in running if process.poll() is not None]:
                command, slot, started_at = running.pop(process)
                if process.returncode != 0:
                    raise ProcessFailed(_obituary(command, process.returncode))
                free.append(slot)
                on_end(command.title, time.time() - started_at)
            time.sleep(POLL_SECONDS if running else 0.0)
    finally:
        _end(list(running))
    usage.close(_reaped_cpu_seconds() - reaped_before)
    return usage


def _start(command: Command, slot: dict[str, str]) -> subprocess.Popen:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    with command.log_path.open("wb") as log:
        return subprocess.Popen(
            command.words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=inherited | slot,
            start_new_session=True,  # Ctrl-C reaches the benchmark, which then ends them in order
        )


def _memory(process: psutil.Process) -> int:
    """Bytes of resident memory; of pages that processes share its part (Linux's PSS), so that a sum counts none twice."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return process.memory_info().rss


def _trees(roots: Sequence[subprocess.Popen]) -> list[psutil.Process]:
    found = []
    for root in roots:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(root.pid)
            found += [process, *process.children(recursive=True)]
    return found


def _end(roots: Sequence[subprocess.Popen]) -> None:
    """Ask the processes to stop, and end whatever of their trees is left."""
    processes = _trees(roots)
    for root in roots:
        root.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs(processes, timeout=GRACE_SECONDS)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    for root in roots:
        root.wait()


def _obituary(command: Command, code: int) -> str:
    lines = command.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([f"{command.title} ended with code {code}; the end of its log:", *lines[-LOG_TAIL_LINES:]])


def _reaped_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
