"""The section on what was looked at to choose, and on how seeds came about that were not simply so many."""

from __future__ import annotations

from typing import Any

from bertft_core.records import ArmSummary, StudySummary
from bertft_core.report.formatting import intervals, numbers

Section = dict[str, Any]


def section(summary: StudySummary) -> Section | None:
    """What the template lays out; None for a summary that holds nothing of the kind."""
    selected = [arm for arm in summary.arms if arm.selected is not None]
    if summary.ledger is None and summary.adaptive is None and not selected:
        return None
    return {
        "ledger": summary.ledger,
        "adaptive": summary.adaptive,
        "looks": _looks(summary),
        "selected": [_selected(arm) for arm in selected],
    }


def _looks(summary: StudySummary) -> Section | None:
    """A row for each look: seeds of every arm, and half the width of each arm's interval."""
    found = summary.adaptive
    if found is None:
        return None
    arms = [arm.arm for arm in summary.arms]
    rows = [
        {
            "n": look.n,
            "half_widths": [numbers.score(look.half_widths.get(arm)) for arm in arms],
            "enough": "yes" if look.is_enough else "no",
        }
        for look in found.looks
    ]
    ends = [
        {
            "arm": interval.arm,
            "what": f"{interval.metric} on {interval.split}",
            "n": interval.n,
            "mean": numbers.score(interval.mean),
            "ends": intervals.interval(interval.low, interval.high),
        }
        for interval in found.intervals
    ]
    return {"arms": arms, "rows": rows, "intervals": ends, "level": f"{100 * found.level:.2f} %"}


def _selected(arm: ArmSummary) -> Section:
    """A row for each seed that started, the best at the cut first."""
    found = arm.selected
    assert found is not None, "only arms with selected seeds are laid out"
    rows = [
        {
            "index": seed.index,
            "at_cut": numbers.score(seed.score_at_cut),
            "kept": "went on" if seed.kept else "stopped",
            "best": numbers.score(seed.best_score),
            "chosen": seed.index == found.best,
        }
        for seed in found.seeds
    ]
    return {"arm": arm.arm, "sentence": found.sentence, "rows": rows, "cut": f"{100 * found.stop_at:g} %"}
