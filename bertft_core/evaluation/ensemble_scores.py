"""The seeds of an arm as one model: what the mean of their probabilities scores, from stored predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertft_core.config.head_settings import Direction
from bertft_core.evaluation.differences import SAME, left_out, told_in_points
from bertft_core.evaluation.run_scores import CHECKPOINTS, stored_predictions
from bertft_core.metrics import METRICS
from bertft_core.records import ArmSummary, Ensemble, RunRecord
from bertft_core.records.ranking import SCORED
from bertft_core.records.summary import scores_by_index

Run = tuple[RunRecord, Path]
"""A record and the folder of its run."""


def ensemble_of(arm: ArmSummary, runs: Sequence[Run], key: str, direction: Direction) -> Ensemble:
    """Every score of the ensemble of an arm's `runs`, and a sentence about `key` (checkpoint/split/metric).

    Collapsed runs are in it; runs that failed or diverged, and those whose predictions cannot be read, are not.
    """
    scored = [run for run in runs if run[0].status in SCORED]
    members = [run for run in scored if _readable(run)]
    indices = tuple(record.spec.index for record, _ in members)
    reason = _hindrance(scored, members)
    if reason is not None:
        return Ensemble(seeds=indices, sentence=f"{arm.arm} has no ensemble: {reason}")
    scores = _scores(members)
    parts = [_sentence(arm, indices, scores, key, direction), *left_out(arm)]
    if len(members) < len(scored):
        gone = len(scored) - len(members)
        parts.append(f"not in the ensemble because their predictions are gone: {gone} of {arm.n_planned} {arm.arm} runs")
    return Ensemble(seeds=indices, scores=scores, sentence="; ".join(parts))


def _readable(run: Run) -> bool:
    record, run_dir = run
    files = [(checkpoint, split) for checkpoint, splits in record.predictions.items() for split in splits]
    return bool(files) and all(stored_predictions(record, run_dir, *file) is not None for file in files)


def _hindrance(scored: Sequence[Run], members: Sequence[Run]) -> str | None:
    """Why these runs make no ensemble; None when they do."""
    if scored and METRICS[scored[0][0].spec.head.kind].ensemble is None:
        return "of masked pieces only counts and losses are stored, which cannot be put together"
    if len(scored) < 2:
        return f"{len(scored)} of its runs ended with a score, and it takes two"
    if len(members) < 2:
        return f"the predictions of {len(scored) - len(members)} of {len(scored)} runs are gone"
    return None


def _scores(members: Sequence[Run]) -> dict[str, float]:
    """`checkpoint/split/metric` → value. What is tuned is tuned on the ensemble's validation set, and frozen for the others."""
    spec = members[0][0].spec
    metrics = METRICS[spec.head.kind]
    found: dict[str, float] = {}
    for checkpoint in CHECKPOINTS:
        tuned = metrics.tune(_together(members, checkpoint, "validation"), spec.labels)
        for split in members[0][0].predictions[checkpoint]:
            values = metrics.compute(_together(members, checkpoint, split), spec.labels, **tuned)
            found |= {f"{checkpoint}/{split}/{metric}": value for metric, value in values.items()}
    return found


def _together(members: Sequence[Run], checkpoint: str, split: str) -> pa.Table:
    tables = [stored_predictions(record, run_dir, checkpoint, split) for record, run_dir in members]
    spec = members[0][0].spec
    return METRICS[spec.head.kind].combined([table for table in tables if table is not None], spec.labels, spec.head)


def _sentence(arm: ArmSummary, indices: tuple[int, ...], scores: dict[str, float], key: str, direction: Direction) -> str:
    _, split, metric = key.split("/", 2)
    told = f"the ensemble of {len(indices)} {arm.arm} seeds"
    by_index = scores_by_index(arm, key)
    alone = [by_index[index] for index in indices if index in by_index]
    if key not in scores or not alone:
        return f"{told} has no {metric} on {split}"
    mean = float(np.mean(alone))
    gap, what = scores[key] - mean, f"{metric}, {split}" + ("; lower is better" if direction == "minimize" else "")
    told += f" scores {_number(scores[key])} ({what})"
    if abs(gap) < SAME:
        return f"{told}, which is also their mean"
    size = f"{100 * abs(gap):.{1 if abs(gap) >= 0.005 else 2}f} points" if told_in_points(metric) else f"{abs(gap):.3f}"
    return f"{told}, {size} {'above' if gap > 0 else 'below'} their mean of {_number(mean)}"


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
