"""Rows and columns of a summary, by name."""

from __future__ import annotations

from bertft_core.records import ArmSummary, MetricSummary, StudySummary


def row_of(arm: ArmSummary, split: str, checkpoint: str, metric: str, *, collapsed_included: bool = True) -> MetricSummary | None:
    """One row of an arm's summary, if there is one."""
    wanted = (split, checkpoint, metric, collapsed_included)
    return next((m for m in arm.metrics if (m.split, m.checkpoint, m.metric, m.collapsed_included) == wanted), None)


def ensemble_score(arm: ArmSummary, split: str, checkpoint: str, metric: str) -> float | None:
    """What the ensemble of an arm's seeds scores, if there is one."""
    return None if arm.ensemble is None else arm.ensemble.scores.get(f"{checkpoint}/{split}/{metric}")


def name_of(arm: ArmSummary) -> str:
    """The arm as a table's row names it; of selected seeds the row is the best one alone."""
    return arm.arm if arm.selected is None else f"{arm.arm}, best of {arm.selected.start}"


def splits_of(summary: StudySummary) -> list[str]:
    """Every split with scores, the headline first."""
    found = dict.fromkeys([summary.headline_split, *(m.split for arm in summary.arms for m in arm.metrics)])
    return list(found)
