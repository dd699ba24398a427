"""Which run of a study speaks for it: the best arm by the headline, the best seed by the validation set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bertft_core.config import StudyConfig
from bertft_core.evaluation.scores import SCORED
from bertft_core.records import RunRecord, RunSpec, StudySummary


def ranked_runs(study: StudyConfig, planned: Iterable[RunSpec], records: Mapping[str, RunRecord]) -> dict[str, list[RunRecord]]:
    """Arm → its report runs with a validation score, the best first; of equal ones the lower seed index first.

    `records` by run digest.
    """
    sign = 1.0 if study.direction == "maximize" else -1.0
    found: dict[str, list[tuple[float, int, RunRecord]]] = {}
    for spec in planned:
        record = records.get(spec.digest)
        if record is not None and record.best_score is not None and record.status in SCORED:
            found.setdefault(spec.arm, []).append((-sign * record.best_score, spec.index, record))
    return {arm: [record for _, _, record in sorted(runs, key=lambda run: run[:2])] for arm, runs in found.items()}


def best_arm(study: StudyConfig, summary: StudySummary) -> tuple[str, float] | None:
    """The arm with the best headline mean over its seeds and that mean; of equal ones the first. None without scores."""
    sign = 1.0 if study.direction == "maximize" else -1.0
    headline = (summary.headline_split, summary.headline_checkpoint, summary.headline_metric)
    means = [
        (arm.arm, row.mean)
        for arm in summary.arms
        for row in arm.metrics
        if (row.split, row.checkpoint, row.metric) == headline and row.collapsed_included
    ]
    return max(means, key=lambda mean: sign * mean[1], default=None)
