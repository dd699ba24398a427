"""Runs that are interrupted at a step, and everything a run leaves that must be the same bit for bit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertft_core.records import RunRecord, RunSpec
from bertft_core.storage.study_dir import read_record
from bertft_core.training.checkpoint import checkpoints
from bertft_core.training.run import train_run
from bertft_core.training.slots import Slots
from tests.helpers.waiting import until

MEMORY = {"peak_memory_bytes", "peak_reserved_bytes"}
TIMES = {"started_at", "ended_at", "train_seconds", "evaluate_seconds", "examples_per_second", "environment"} | MEMORY


RESUMABLE = {"epochs": 4, "evaluate_every_steps": 3, "evaluate_every_epochs": None}


class Interrupted(Exception):
    """Stands for a kill: nothing after it is written."""


def result_in(run_dir: Path) -> dict[str, Any]:
    """All that a run left but its times: record, curves, and hashes of its predictions and its model."""
    record = read_record(run_dir / "record.json", RunRecord)
    assert record is not None
    files = sorted(path for path in run_dir.rglob("*") if path.suffix in (".parquet", ".safetensors"))
    assert len(files) >= 3, "predictions on validation and test, and the model"
    return {
        "record": {key: value for key, value in record.model_dump().items() if key not in TIMES},
        "curves": (run_dir / "curves.jsonl").read_text(),
        "files": {str(path.relative_to(run_dir)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
    }


def step_events(run_dir: Path) -> list[dict[str, float]]:
    """Loss, gradient norm and rate of every step of a run's curves."""
    events = [json.loads(line) for line in (run_dir / "curves.jsonl").read_text().splitlines()]
    return [event for event in events if event["kind"] == "step"]


def steps_in(run_dir: Path) -> list[int]:
    return [int(event["step"]) for event in step_events(run_dir)]


def losses_in(run_dir: Path) -> np.ndarray:
    return np.array([event["loss"] for event in step_events(run_dir)])


def interrupted(spec: RunSpec, run_dir: Path, kind: str, at_step: int | None = None) -> None:
    """Carry the run on until the event comes, saving its state after every step."""

    def on_event(event: dict[str, Any]) -> None:
        if event["kind"] == kind and at_step in (None, event.get("step")):
            raise Interrupted

    with pytest.raises(Interrupted):
        train_run(every_step_saved(spec), run_dir=run_dir, on_event=on_event)


def every_step_saved(spec: RunSpec) -> RunSpec:
    return spec.model_copy(update={"checkpoint_every_seconds": 1e-9})


def wait_for_state(run_dir: Path, step: int) -> None:
    """Return when a state of that step or a later one is complete, which a thread of the run sees to."""
    states = run_dir / "checkpoint"
    until(
        lambda: any(int(state.name.removeprefix("step-")) >= step for state in checkpoints(states)), f"step {step}", every=0.001
    )


def pids_of(slots: Slots) -> list[int]:
    """Process ids of the workers that are alive."""
    return [worker.pid for worker in slots._workers if worker.alive]
