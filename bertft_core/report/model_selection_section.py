"""The section on model selection, and on seeds whose number was not fixed."""

from typing import Any

from bertft_core.records import ArmSummary, StudySummary
from bertft_core.report.formatting import intervals, numbers
from bertft_core.report.prose import model_selection_text as text
from bertft_core.report.prose import seed_designs_text

Section = dict[str, Any]


def section(summary: StudySummary) -> Section | None:
    """What the template lays out; None for a summary without any of it."""
    selected, found = [arm for arm in summary.arms if arm.selected is not None], summary.model_selection
    if found is None and summary.adaptive is None and not selected:
        return None
    choices = () if found is None else found.choices
    return {
        "sentences": [] if found is None else list(text.splits(found)),
        "splits": () if found is None else found.splits,
        "choices": [
            choice.model_dump() | {"what": text.NAMES.get(choice.what, choice.what), "how": text.choice(choice, summary)}
            for choice in choices
        ],
        "adaptive": _adaptive(summary),
        "selected": [_selected(arm, summary) for arm in selected],
    }


def _adaptive(summary: StudySummary) -> Section | None:
    """A row for each interim analysis: seeds of every arm, and half the width of each arm's interval."""
    found = summary.adaptive
    if found is None:
        return None
    arms = [arm.arm for arm in summary.arms]
    rows = [
        {
            "n": one.n,
            "half_widths": [numbers.score(one.half_widths.get(arm)) for arm in arms],
            "enough": "yes" if one.is_enough else "no",
        }
        for one in found.interim_analyses
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
    sentence = seed_designs_text.adaptive(found, arms)
    return {"sentence": sentence, "arms": arms, "rows": rows, "intervals": ends, "level": f"{100 * found.level:.2f} %"}


def _selected(arm: ArmSummary, summary: StudySummary) -> Section:
    """A row for each seed that started, the best at the cut first."""
    found = arm.selected
    assert found is not None, "only arms with selected seeds are laid out"
    rows = [
        {
            "index": seed.index,
            "at_cut": numbers.score(seed.score_at_cut),
            "kept": "continued" if seed.kept else "stopped",
            "best": numbers.score(seed.best_score),
            "chosen": seed.index == found.best,
        }
        for seed in found.seeds
    ]
    sentence = seed_designs_text.selected(arm, summary)
    return {"arm": arm.arm, "sentence": sentence, "rows": rows, "cut": numbers.percent(found.stop_at)}
