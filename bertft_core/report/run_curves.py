"""The training curves of runs, thinned for drawing."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bertft_core.records import Evaluation, RunRecord
from bertft_core.report.drawings.ranges import Point
from bertft_core.storage.curve_lines import curve_events

MOST_POINTS = 100


def validation_curve(record: RunRecord, metric: str) -> list[Point]:
    """(epoch, validation value) of every evaluation, from the untrained head on where it was evaluated."""
    return [(e.epoch, e.metrics[metric]) for e in _evaluations(record) if metric in e.metrics]


def validation_loss_curve(record: RunRecord) -> list[Point]:
    """(epoch, validation loss) of every evaluation that has one."""
    return [(e.epoch, e.loss) for e in _evaluations(record) if e.loss is not None]


def _evaluations(record: RunRecord) -> tuple[Evaluation, ...]:
    return record.evaluations if record.untrained is None else (record.untrained, *record.evaluations)


def loss_curve(run_dir: Path) -> list[Point]:
    """(step, training loss) from `curves.jsonl`, neighbours averaged to at most 100 points; empty without the file."""
    return loss_curves([run_dir])[0]


def loss_curves(run_dirs: Sequence[Path]) -> list[list[Point]]:
    """The `loss_curve` of each run, with as many neighbours averaged in all: runs of other lengths share their steps too."""
    found = [[point for event in curve_events(run_dir / "curves.jsonl") if (point := _step_of(event))] for run_dir in run_dirs]
    size = math.ceil(max(map(len, found), default=0) / MOST_POINTS) or 1
    return [[_middle(points[i : i + size]) for i in range(0, len(points), size)] for points in found]


def _step_of(event: dict[str, Any]) -> Point | None:
    """The step and finite loss of one event; None for other events."""
    try:
        if event["kind"] != "step" or not math.isfinite(event["loss"]):
            return None
        return float(event["step"]), float(event["loss"])
    except (ValueError, KeyError, TypeError):
        return None


def _middle(points: list[Point]) -> Point:
    return sum(p[0] for p in points) / len(points), sum(p[1] for p in points) / len(points)
