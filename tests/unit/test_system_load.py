"""How much of its machine a run uses: events between those of the run, which stay as they are."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from bertft_core.training.system_load import SystemLoad

EVENTS: list[dict[str, Any]] = [
    {"kind": "started", "planned_steps": 2},
    {"kind": "step", "step": 1, "loss": 0.7},
    {"kind": "step", "step": 2, "loss": 0.6},
    {"kind": "predicting"},
    {"kind": "ended", "status": "ok"},
]


def heard(every_seconds: float) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    load = SystemLoad(events.append, every_seconds=every_seconds)
    for event in EVENTS:
        load(event)
    return events


def test_a_short_run_has_one_number_of_each_kind_at_its_last_step():
    *before, last, ended = heard(3600.0)
    assert [*before, ended] == EVENTS
    assert (last["kind"], last["step"]) == ("system", 2)
    numbers = last["numbers"]
    assert set(numbers) == {
        "process_cpu_percentage",
        "process_memory_megabytes",
        "cpu_utilization_percentage",
        "system_memory_usage_percentage",
    }
    assert numbers["process_memory_megabytes"] == pytest.approx(psutil.Process().memory_info().rss / 1e6, rel=0.2)
    assert 0 <= numbers["cpu_utilization_percentage"] <= 100
    assert 0 < numbers["system_memory_usage_percentage"] <= 100


def test_a_long_run_is_measured_at_intervals_each_at_the_step_it_has_reached():
    events = heard(0.0)
    assert [event for event in events if event["kind"] != "system"] == EVENTS
    assert [event["step"] for event in events if event["kind"] == "system"] == [0, 1, 2, 2, 2]


@pytest.mark.parametrize("error", [psutil.AccessDenied(), OSError("no /proc here")])
def test_what_cannot_be_read_costs_the_run_nothing(monkeypatch, error):
    def fails() -> None:
        raise error

    monkeypatch.setattr(psutil, "virtual_memory", fails)
    assert heard(0.0) == EVENTS


@pytest.mark.parametrize("has_nvml", [True, False])
def test_of_a_gpu_its_memory_is_known_and_how_busy_it_is_where_that_can_be_read(monkeypatch, has_nvml):
    def utilization() -> int:
        if not has_nvml:
            raise ModuleNotFoundError("nvidia-ml-py does not seem to be installed or it can't be imported.")
        return 93

    cuda = SimpleNamespace(is_initialized=lambda: True, memory_reserved=lambda: 5_000_000, utilization=utilization)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    numbers = heard(3600.0)[-2]["numbers"]
    assert numbers["process_gpu_memory_megabytes"] == 5.0
    assert numbers.get("gpu_utilization_percentage") == (93.0 if has_nvml else None)
