"""Sentences about seeds whose number was not fixed: added until an interval was narrow, or the best of many. All are clauses."""

from collections.abc import Iterable

from bertft_core.records import ArmSummary, StudySummary
from bertft_core.records.seed_design_records import AdaptiveSeeds
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import grammar

STOPPED, KEPT = "stopped after {percent:g} % of its steps", "one of the best of {n} seeds"
"""What became of a run of such a design."""


def adaptive(found: AdaptiveSeeds, arms: Iterable[str]) -> str:
    """Why no more seeds were added, or that more will be, and the level of the intervals."""
    wanted = f"±{found.half_width:g} ({found.metric}, validation)"
    level = f"every t-interval has a level of {100 * found.level:.2f} %, so that the last one covers in 95 % of such studies"
    if not found.interim_analyses:
        return f"seeds are added until the mean of every arm is known to {wanted}; no interim analysis has taken place; {level}"
    last, n = found.interim_analyses[-1], len(found.interim_analyses)
    after = f"after {n} of at most {grammar.several(len(found.plan), 'interim analysis')}"
    if found.ended == "narrow enough":
        end = f"the mean of every arm is known to {wanted} with {last.n} seeds, {after}"
    elif found.ended == "maximum":
        wide = [_width(arm, last.half_widths.get(arm)) for arm in arms if not _is_narrow(found, arm)]
        end = f"the maximum of {last.n} seeds was reached {after}, and not every mean is known to {wanted}: {', '.join(wide)}"
    else:
        end = f"not every mean is known to {wanted} with {last.n} seeds, {after}; more seeds follow"
    flat = [arm for arm, half in last.half_widths.items() if half == 0.0]
    doubt = f"; all seeds of {grammar.listed(flat)} score the same there, which says little about their spread" if flat else ""
    return f"{end}; the test set decided nothing; {level}{doubt}"


def _is_narrow(found: AdaptiveSeeds, arm: str) -> bool:
    half = found.interim_analyses[-1].half_widths.get(arm)
    return half is not None and half <= found.half_width


def _width(arm: str, half: float | None) -> str:
    return f"{arm} has fewer than two scores" if half is None else f"{arm} ±{half:.4g}"


def selected(arm: ArmSummary, summary: StudySummary) -> str:
    """How many seeds started and went on, the best of them on the headline, and what it cost."""
    found = arm.selected
    assert found is not None, "only of arms with selected seeds"
    n_kept = sum(seed.kept for seed in found.seeds)
    cut = f"{numbers.percent(found.stop_at)} of the steps"
    text = f"{found.start} seeds of {arm.arm} started, and the best {n_kept} on validation after {cut} went on"
    score = next((seed.scores.get(summary.headline_key) for seed in arm.seeds if seed.index == found.best), None)
    if score is None:
        return f"{text}; none of them has a score; the cost was {found.cost:g} whole runs"
    where = f"({summary.headline_metric}, {summary.headline_split})"
    return (
        f"{text}; the best of {found.start} is seed {found.best} with {numbers.score(score)} {where}, for the cost of "
        f"{found.cost:g} whole runs; selected seeds are not a random sample, so they have no sd, interval or comparison"
    )
