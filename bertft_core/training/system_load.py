"""How much of its machine a run uses: its own process, and the machine beside it, measured in the worker that trains it.

MLflow's own monitor measures the machine that it runs on, which is the driver's; a run may be on another one, or one of several
on this one. The names are MLflow's where the numbers mean the same.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

OnEvent = Callable[[dict[str, Any]], None]
SAMPLE_SECONDS = 10.0
"""MLflow's own interval. A measurement takes well under a millisecond."""
MEGABYTE = 1e6


class SystemLoad:
    """Passes the events of a run on, and puts an event of kind `system` between them every `SAMPLE_SECONDS`.

    Its `numbers` are, for CPUs, means over the time since the last one (100 is one core busy all the time, or for the machine all
    of its cores), and for memory what is in use now.
    """

    def __init__(self, on_event: OnEvent, *, every_seconds: float = SAMPLE_SECONDS) -> None:
        self._on_event, self._every_seconds, self._step = on_event, every_seconds, 0
        self._process = psutil.Process(os.getpid())
        for count_from_now_on in (self._process.cpu_percent, psutil.cpu_percent):
            count_from_now_on()
        self._sampled_at = time.monotonic()

    def __call__(self, event: dict[str, Any]) -> None:
        """Pass an event on; before the one that ends the run comes a last number, the only one of a short run."""
        if event["kind"] == "ended":
            self._sample()
            self._on_event(event)
            return
        self._on_event(event)
        self._step = event.get("step") or self._step
        if time.monotonic() - self._sampled_at >= self._every_seconds:
            self._sample()

    def _sample(self) -> None:
        self._sampled_at = time.monotonic()
        try:
            numbers = self._measured()
        except (psutil.Error, OSError):  # a container may hide what is read
            return
        self._on_event({"kind": "system", "step": self._step, "numbers": numbers})

    def _measured(self) -> dict[str, float]:
        machine = psutil.virtual_memory()
        found = {
            "process_cpu_percentage": self._process.cpu_percent(),
            "process_memory_megabytes": self._process.memory_info().rss / MEGABYTE,
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_percentage": machine.used / machine.total * 100,
        }
        return {name: round(value, 1) for name, value in (found | _of_gpu()).items()}


def _of_gpu() -> dict[str, float]:
    """Memory that this process has taken of its GPU; how busy the GPU is, where `nvidia-ml-py` is installed."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    found = {"process_gpu_memory_megabytes": torch.cuda.memory_reserved() / MEGABYTE}
    try:
        found["gpu_utilization_percentage"] = float(torch.cuda.utilization())
    except Exception:  # of many kinds, all meaning that it cannot be read
        return found
    return found
