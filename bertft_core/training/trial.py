"""A short trial of a run: how fast its steps are here and now, and what memory its device needs for them. Nothing is kept."""

import resource
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from bertft_core.records import RunSpec
from bertft_core.training import determinism
from bertft_core.training.curve_file import ignore
from bertft_core.training.devices import memory_bytes
from bertft_core.training.run import RunParts, device_of, forget_earlier_runs
from bertft_core.training.step_readings import NotFinite
from bertft_core.training.training_loop import Loop

N_WARM = 5
"""Steps that are not timed: kernels are chosen and memory is reserved in the first ones."""


def try_run(spec: RunSpec, run_dir: Path, seconds: float) -> dict[str, Any]:
    """The event `trial` with the fields of a `Trial`, after steps for so many seconds, or as many as the run has."""
    device = device_of(spec)
    determinism.configure(spec.threads, device, spec.compute)
    forget_earlier_runs(device)
    loop = RunParts(spec, run_dir, device, ignore).loop
    last = loop.steps.n_steps
    for _ in range(min(N_WARM, last - 1)):
        _step(loop)
    started, first = time.monotonic(), loop.position.step
    while loop.position.step < last and (loop.position.step == first or time.monotonic() - started < seconds):
        _step(loop)
    rate = (loop.position.step - first) / (time.monotonic() - started)
    return {"kind": "trial", "steps_per_second": rate} | _memory(device)


def _step(loop: Loop) -> None:
    with suppress(NotFinite):  # whether it learns is not the question
        loop.timed_step()


def _memory(device: torch.device) -> dict[str, int]:
    if device.type != "cuda":
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {"run_bytes": peak, "taken_bytes": peak, "device_bytes": memory_bytes()}
    free, total = torch.cuda.mem_get_info(device)
    return {"run_bytes": torch.cuda.max_memory_reserved(device), "taken_bytes": total - free, "device_bytes": total}
