"""The beginning of a report: the verdict of each pair with the baseline, and what stands behind it in one line."""

from typing import Any, Literal

from bertft_core.records import StudySummary
from bertft_core.records.comparison_record import Comparison, PairComparison
from bertft_core.report import arm_chips
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import comparison_text, study_facts, study_text
from bertft_core.storage.study_results import StudyResults

Direction = Literal["better", "worse", "inconclusive"]


def section(results: StudyResults) -> dict[str, Any]:
    """What the template lays out; arms are named by `arm_chips`' marks."""
    summary = results.summary
    spoken = arm_chips.marked(summary, [arm.arm for arm in summary.arms])
    verdicts = _verdicts(spoken)
    given = {found["sentence"] for found in verdicts}
    return {
        "facts": study_facts.facts(results),
        "verdicts": verdicts,
        "sentences": [sentence for sentence in study_text.sentences(spoken) if sentence not in given],
        "cautions": study_text.cautions(results.study, spoken),
        "not_counted": study_text.not_counted(spoken),
    }


def direction_of(pair: PairComparison) -> Direction:
    """Of the arm against the baseline."""
    if not pair.claimed:
        return "inconclusive"
    return "better" if pair.better == pair.arm else "worse"


def _verdicts(spoken: StudySummary) -> list[dict[str, Any]]:
    baseline, comparison = spoken.arms[0].arm, spoken.comparison
    if comparison is None:
        return []
    pairs = [comparison.pair(arm.arm, baseline) for arm in spoken.arms[1:]]
    return [_verdict(pair, comparison) for pair in pairs if pair is not None]


def _verdict(pair: PairComparison, comparison: Comparison) -> dict[str, Any]:
    found = pair.interval
    return {
        "direction": direction_of(pair),
        "arm": pair.arm,
        "baseline": pair.baseline,
        "difference": numbers.difference(pair.difference, pair.metric, sign=True) + numbers.unit(pair.metric),
        "interval": None if found is None else _ends(pair, found.low, found.high),
        "level": numbers.percent(comparison.level),
        "sentence": f"{comparison_text.pair(pair, comparison)}.",
    }


def _ends(pair: PairComparison, low: float, high: float) -> str:
    return " to ".join(numbers.difference(end, pair.metric, of=pair.difference, sign=True) for end in (low, high))
