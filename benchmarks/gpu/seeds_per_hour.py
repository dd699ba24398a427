"""Seeds per hour, several at once on one device: by warm workers of bertft, and by warm processes of a plain Trainer."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from bertft_core.processes import child_environment, module_command
from bertft_core.records import RunRecord, RunSpec
from bertft_core.storage.study_dir import read_record
from bertft_core.training.slots import Slots

ROOT = Path(__file__).resolve().parents[2]
WARM_UP_STEPS = 10


@dataclass
class Measured:
    """One contestant in one precision, some seeds at once."""

    who: str
    precision: str
    at_once: int
    n_seeds: int
    """Of all processes together."""
    seconds: float
    """From the start of the first seed to the end of the last, building models and evaluations included."""
    step_seconds: float
    """Of one run, mean over its steps; without evaluations."""
    seeds_per_hour: float
    steps_per_second: float
    """Of all runs together, while they train."""
    peak_bytes: int | None = None
    """Allocated by torch, of one run; of a CPU the resident memory of its process."""
    peak_reserved_bytes: int | None = None
    device_bytes: int | None = None
    """What all of them take of the device after their last seed, with their contexts."""


def bertft(
    slots: Slots, at_once: int, specs: Sequence[RunSpec], directory: Path, per_process: int, used_before: int | None
) -> Measured:
    """`per_process` seeds one after another in each of `at_once` workers, after a short one in each.

    `used_before`: bytes of the device before any worker trained, None where others than these hold some by now.
    """
    records: list[RunRecord] = []
    gate = threading.Barrier(at_once + 1)

    def work(first: int) -> None:
        with slots.lease() as worker:
            warm = specs[-1 - first]
            training = warm.training.model_copy(update={"max_steps": WARM_UP_STEPS})
            worker.run(warm.model_copy(update={"training": training}), directory / f"warm-{first}", lambda event: None)
            gate.wait()
            for spec in specs[first * per_process : (first + 1) * per_process]:
                run_dir = directory / spec.digest[:16]
                worker.run(spec, run_dir, lambda event: None)
                record = read_record(run_dir / "record.json", RunRecord)
                if record is None or record.status not in ("ok", "collapsed"):
                    raise RuntimeError("a run left no record" if record is None else f"{record.status}: {record.error}")
                records.append(record)

    threads = [_Thread(work, i, gate) for i in range(at_once)]
    for thread in threads:
        thread.start()
    _pass(gate, threads)
    started = time.time()
    for thread in threads:
        thread.join_or_raise()
    seconds = time.time() - started
    step = sum(record.train_seconds / record.n_steps for record in records) / len(records)
    memory = {"peak_bytes": _most(r.peak_memory_bytes for r in records), "device_bytes": _since(used_before)}
    memory |= {"peak_reserved_bytes": _most(r.peak_reserved_bytes for r in records)}
    return _measured("bertft", specs[0].training.precision, at_once, len(records), seconds, step, **memory)


def trainer(job: dict[str, Any], precision: str, at_once: int, directory: Path) -> Measured:
    """`job["n_seeds"]` seeds one after another in each of `at_once` processes, after a short one in each."""
    directory.mkdir(parents=True, exist_ok=True)
    before = device_used()
    processes = []
    for i in range(at_once):
        job_path = directory / f"{precision}-{i}.json"
        more = {"precision": precision, "output_dir": str(directory / f"out-{i}"), "warm_up_steps": WARM_UP_STEPS}
        job_path.write_text(json.dumps(job | more))
        processes.append(_start_trainer(job_path))
    try:
        for process in processes:
            _expect(process, "ready")
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        figures = [json.loads(_expect(process)) for process in processes]
        used = _since(before)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    seconds = max(each["ended_at"] for each in figures) - min(each["began_at"] for each in figures)
    all_seeds = [value for each in figures for value in each["train_seconds"]]
    step = sum(all_seeds) / len(all_seeds) / job["n_steps"]
    memory = {name: _most(each.get(name) for each in figures) for name in ("peak_bytes", "peak_reserved_bytes")}
    return _measured("trainer", precision, at_once, len(all_seeds), seconds, step, **memory, device_bytes=used)


def _measured(
    who: str, precision: str, at_once: int, n_seeds: int, seconds: float, step: float, **memory: int | None
) -> Measured:
    return Measured(who, precision, at_once, n_seeds, seconds, step, 3600 * n_seeds / seconds, at_once / step, **memory)


def benchmark_environment(more: dict[str, str]) -> dict[str, str]:
    """Of children that import from this checkout, where nothing is installed; a study's own do not, beyond our packages."""
    environment = child_environment(more)
    path = [str(ROOT), *filter(None, [environment["PYTHONPATH"]])]
    return environment | {"PYTHONPATH": os.pathsep.join(path)}


def _start_trainer(job_path: Path) -> subprocess.Popen[str]:
    log = job_path.with_suffix(".log").open("w")
    return subprocess.Popen(
        module_command("benchmarks.gpu.trainer_seeds", str(job_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=benchmark_environment({"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}),
    )


def _expect(process: subprocess.Popen[str], line: str | None = None) -> str:
    found = process.stdout.readline().strip()
    if not found or (line is not None and found != line):
        raise RuntimeError(f"a Trainer process ended, or said {found!r}; see its log")
    return found


class _Thread(threading.Thread):
    """Raises in the joining thread what was raised in it, and lets nobody wait at the gate for it."""

    def __init__(self, work: Any, i: int, gate: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self._work, self._i, self._gate = work, i, gate
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work(self._i)
        except BaseException as error:
            self.error = error
            self._gate.abort()

    def join_or_raise(self) -> None:
        self.join()
        if self.error is not None:
            raise self.error


def _pass(gate: threading.Barrier, threads: Sequence[_Thread]) -> None:
    try:
        gate.wait()
    except threading.BrokenBarrierError:
        for thread in threads:
            thread.join()
        raise next(
            each.error for each in threads if each.error is not None and not isinstance(each.error, threading.BrokenBarrierError)
        ) from None


def device_used() -> int | None:
    """Bytes of the device that are taken, by anybody."""
    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info()
    return total - free


def _since(before: int | None) -> int | None:
    now = device_used()
    return None if before is None or now is None else now - before


def _most(values: Any) -> int | None:
    found = [value for value in values if value is not None]
    return max(found) if found else None
