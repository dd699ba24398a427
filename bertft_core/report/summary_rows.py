"""Rows and columns of a summary, by name."""

from dataclasses import dataclass

from bertft_core.records import ArmSummary, MetricSummary, StudySummary
from bertft_core.report.formatting.grid_settings import values_words


def row_of(arm: ArmSummary, split: str, checkpoint: str, metric: str, *, collapsed_included: bool = True) -> MetricSummary | None:
    """One row of an arm's summary, if there is one."""
    wanted = (split, checkpoint, metric, collapsed_included)
    return next((m for m in arm.metrics if (m.split, m.checkpoint, m.metric, m.collapsed_included) == wanted), None)


def name_of(arm: ArmSummary) -> str:
    """The arm as a table's row names it; of selected seeds the row is the best one alone."""
    name = f"{arm.arm} ({values_words(arm.grid_values)})" if arm.grid_values else arm.arm
    return name if arm.selected is None else f"{name}, best of {arm.selected.start}"


@dataclass(frozen=True)
class ResultRow:
    """One row of a result table: an arm, the same without collapsed runs where there are any, or its ensemble."""

    name: str
    n: int
    """Runs with a score, or members of the ensemble."""
    n_planned: int
    metrics: MetricSummary | None = None
    """Absent where no run has a score, and of an ensemble."""
    ensemble: float | None = None
    """The score of the ensemble."""


def result_rows(summary: StudySummary, arm: ArmSummary, split: str) -> list[ResultRow]:
    """The rows of one arm for the headline metric on a split."""
    at = (split, summary.headline_checkpoint, summary.headline_metric)
    found, without = row_of(arm, *at), row_of(arm, *at, collapsed_included=False)
    rows = [ResultRow(name_of(arm), 0 if found is None else found.n, arm.n_planned, found)]
    if without is not None:
        rows.append(ResultRow(f"{arm.arm} without collapsed", without.n, arm.n_planned, without))
    key = f"{summary.headline_checkpoint}/{split}/{summary.headline_metric}"
    if arm.ensemble is not None and key in arm.ensemble.scores:
        score = arm.ensemble.scores[key]
        rows.append(ResultRow(f"{arm.arm} ensemble", len(arm.ensemble.seeds), arm.n_planned, ensemble=score))
    return rows


def splits_of(summary: StudySummary) -> list[str]:
    """Every split with scores, the headline first."""
    found = dict.fromkeys([summary.headline_split, *(m.split for arm in summary.arms for m in arm.metrics)])
    return list(found)
