"""How many runs a device carries at once: tried with a run of the study, because small models leave most of a GPU idle.

Each run has a process of its own and so the bits of a run alone; only the time that it takes depends on the others.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.records import RunSpec
from bertft_core.training.devices import WORKER_BYTES, memory_bytes, usable_cores
from bertft_core.training.slots import Slots
from bertft_core.training.workers import RunFailed, WorkerDied

TRIAL_SECONDS = 4.0
MOST = 16
CLEARLY_FASTER = 1.1
"""Twice the runs must be this much faster together; else they only take memory."""
SPARE = 0.1
"""Share of a device's memory that is left: evaluation takes more than steps do, and memory fragments."""


class Trial(NamedTuple):
    """What a worker measured of a run."""

    steps_per_second: float
    run_bytes: int
    """Reserved for the run at its peak."""
    taken_bytes: int
    """Of the device, by all of its processes, when the trial ended."""
    device_bytes: int


def wants_trial(execution: ExecutionConfig) -> bool:
    """Nothing but a trial can say how many slots a study has; its kind of device is decided."""
    is_open = (execution.slots, execution.runs_per_device) == ("auto", "auto")
    return is_open and execution.device == "cuda" and execution.engine == "local"


def share_devices(
    slots: Slots, spec: RunSpec, threads: int, tell: Callable[[str], object], seconds: float = TRIAL_SECONDS
) -> None:
    """Double the slots as long as the runs on all of them get clearly faster together, and memory and cores suffice.

    Every slot must be free. Raises `SlotsClosing` and `UserError`.
    """
    n_devices, n = slots.n, slots.n
    found = _trials(slots, spec, seconds)
    if not found:
        return
    most = n_devices * min(MOST, fitting(found[0]))
    most = min(most, usable_cores() // threads, memory_bytes() // WORKER_BYTES)
    rate = sum(each.steps_per_second for each in found)
    while 2 * n <= most:
        slots.resize(2 * n)
        found = _trials(slots, spec, seconds)
        faster = sum(each.steps_per_second for each in found) / rate
        if len(found) < 2 * n or faster < CLEARLY_FASTER:  # or there was not enough memory after all
            slots.resize(n)
            break
        n, rate = 2 * n, rate * faster
    tell(f"{n // n_devices} runs at once on each device make {rate:.1f} steps per second, tried with arm {spec.arm}")


def fitting(alone: Trial) -> int:
    """How many runs fit into the memory of a device, where one alone on it was tried.

    What the device had taken beside that run, its context and other people's processes, is counted for each of them.
    """
    each = max(alone.taken_bytes, alone.run_bytes, 1)
    return max(1, int((1 - SPARE) * alone.device_bytes) // each)


def _trials(slots: Slots, spec: RunSpec, seconds: float) -> list[Trial]:
    """One trial on every slot at once; without those that died or failed, for want of memory mostly."""

    def tried(folder: str) -> Trial | None:
        with slots.lease() as worker:
            try:
                return Trial(**worker.try_run(spec, Path(folder), seconds))
            except RunFailed:
                return None

    def one() -> Trial | None:
        with tempfile.TemporaryDirectory(prefix="bertft-trial-") as folder:
            try:
                return tried(folder)
            except WorkerDied:
                if slots.is_closed:
                    raise
                return None

    with ThreadPoolExecutor(slots.n) as pool:
        return [trial for trial in [each.result() for each in [pool.submit(one) for _ in range(slots.n)]] if trial is not None]
