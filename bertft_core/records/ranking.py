"""Which run speaks for a study: the best arm and its best seed, both by the validation set; of equals the first."""

from collections.abc import Iterable, Mapping

from bertft_core.config.study_config import StudyConfig
from bertft_core.records.run_record import RunRecord
from bertft_core.records.run_spec import RunSpec
from bertft_core.records.summary import StudySummary

SCORED = ("ok", "collapsed")
"""Statuses whose predictions mean something."""


def best_first(study: StudyConfig, records: Iterable[RunRecord]) -> list[RunRecord]:
    """The runs with a validation score, the best one first; of equals the lower seed index."""
    scored = [(record.best_score, record) for record in records if record.best_score is not None and record.status in SCORED]
    return [record for _, record in sorted(scored, key=lambda run: (-study.sign * run[0], run[1].spec.index))]


def ranked_runs(study: StudyConfig, planned: Iterable[RunSpec], records: Mapping[str, RunRecord]) -> dict[str, list[RunRecord]]:
    """Arm → its report runs as `best_first` puts them; arms without any are left out. `records` by run digest."""
    arms: dict[str, list[RunRecord]] = {}
    for spec in planned:
        if spec.digest in records:
            arms.setdefault(spec.arm, []).append(records[spec.digest])
    return {arm: ranked for arm, runs in arms.items() if (ranked := best_first(study, runs))}


def best_arm(study: StudyConfig, summary: StudySummary) -> tuple[str, float] | None:
    """The arm with the best validation mean of the headline's metric and checkpoint, and that mean. None without scores.

    Not the one with the best test score: that score would then no longer be what new data give.
    """
    wanted = ("validation", summary.headline_checkpoint, summary.headline_metric)
    means = [
        (arm.arm, row.mean)
        for arm in summary.arms
        for row in arm.metrics
        if (row.split, row.checkpoint, row.metric) == wanted and row.collapsed_included
    ]
    return max(means, key=lambda mean: study.sign * mean[1], default=None)
