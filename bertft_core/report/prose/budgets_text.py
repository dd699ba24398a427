"""Sentences about what a budget of runs or trials buys. All are clauses."""

from bertft_core.records.insight_records import BudgetView, StartManyView
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import grammar, missing_text


def budget(view: BudgetView) -> str:
    """The expected score of one run or trial and of the best of half of them, and what that costs."""
    if view.refused is not None:
        return f"no expected best score over the {view.source} of {view.arm}: {missing_text.why(view.refused)}"
    one, half = view.points[0], view.points[min(len(view.points), max(2, len(view.points) // 2)) - 1]
    text = (
        f"one {'run' if view.source == 'seeds' else 'trial'} of {view.arm} is expected to reach {numbers.score(one.v)} "
        f"({view.metric}, validation), the best of {half.n} {numbers.score(half.v)} (sampled with replacement) or "
        f"{numbers.score(half.u)} (without)"
    )
    text += f", in {numbers.duration(3600 * half.hours)} of sequential training" if half.hours is not None else ""
    return f"{text}; this assumes independent runs, while those of a crossed design share seeds" if view.crossed else text


def start_many(view: StartManyView) -> str:
    """Whether starting many runs and continuing the best would have found more than whole runs of the same cost."""
    if view.refused is not None:
        return f"no schedules for {view.arm}: {missing_text.why(view.refused)}"
    where = f"({view.metric}, validation; resampled from {view.n_curves} finished runs)"
    if view.worthwhile is None:
        return f"no schedule of {view.arm} would have found noticeably more than whole runs {where}"
    one, other = view.best[view.worthwhile], view.uncut[view.worthwhile]
    return (
        f"for the cost of {grammar.several(other.start, 'whole run')} of {view.arm}, starting {one.start}, stopping at "
        f"{numbers.percent(one.stop_at, 2)} of the training and continuing {one.keep} would have found "
        f"{numbers.score(one.expected)} instead of {numbers.score(other.expected)} {where}"
    )
