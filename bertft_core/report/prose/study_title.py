"""The answer of a study in one line, for places that show no more than a name."""

from bertft_core.records import StudySummary
from bertft_core.records.comparison_record import Comparison, PairComparison
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import comparison_text, grammar


def title(summary: StudySummary) -> str:
    """'quickstart: full is 14.6 points (accuracy, test) above features: claimed'; the name alone of seeds that were selected."""
    found = answer(summary)
    return summary.study if found is None else f"{summary.study}: {found}"


def answer(summary: StudySummary) -> str | None:
    """'full is 14.6 points (accuracy, test) above features: claimed'; None of seeds that were selected."""
    pairs = [] if summary.comparison is None else _with_baseline(summary.comparison, summary)
    if len(pairs) == 1:
        return _verdict(pairs[0])
    if pairs:
        n = sum(pair.claimed for pair in pairs)
        where = f"({summary.headline_metric}, {summary.headline_split})"
        return f"{n} of {len(pairs)} differences from {summary.arms[0].arm} claimed {where}"
    scores = _means(summary)
    return grammar.listed(scores) if scores else None


def _with_baseline(comparison: Comparison, summary: StudySummary) -> list[PairComparison]:
    baseline, *others = (arm.arm for arm in summary.arms)
    found = [comparison.pair(arm, baseline) for arm in others]
    return [pair for pair in found if pair is not None]


def _verdict(pair: PairComparison) -> str:
    head = comparison_text.difference(pair.arm, pair.baseline, pair.difference, pair.metric, pair.split, pair.direction)
    return f"{head}: {pair.verdict}"


def _means(summary: StudySummary) -> list[str]:
    """The mean of each arm that has one; of selected seeds it would say too much."""
    if any(arm.selected is not None for arm in summary.arms):
        return []
    rows = [(arm.arm, row) for arm in summary.arms for row in arm.metrics if row.collapsed_included]
    key = summary.headline_checkpoint, summary.headline_split, summary.headline_metric
    found = [(arm, row) for arm, row in rows if (row.checkpoint, row.split, row.metric) == key]
    return [f"{arm} {numbers.score(row.mean)} ({row.metric}, {row.split}, {grammar.several(row.n, 'run')})" for arm, row in found]
