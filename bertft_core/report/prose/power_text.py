"""Sentences about seeds: what the present ones can detect, and how many are needed."""

from bertft_core.records.insight_records import SeedsFor, SeedsNeeded
from bertft_core.records.seeds_answer import CountedSeeds, RunsToExceed
from bertft_core.report.formatting import numbers
from bertft_core.report.formatting.numbers import amount, percent
from bertft_core.report.prose import grammar
from bertft_core.statistics.mean_intervals import LEVEL
from bertft_core.statistics.rounding import ROUNDING
from bertft_core.statistics.seeds_needed import MOST

POWER = "80 % power"


def seeds_needed(found: SeedsNeeded) -> str:
    """What the present seeds can detect and, of a pair, how many are needed for the observed difference; a clause."""
    if found.sd == 0:
        same = (
            f"{grammar.every(found.n, 'seed')} of {found.arm} score {numbers.score(found.mean)} ({found.metric}, {found.split})"
        )
        if found.baseline is not None:
            same = f"{found.name} is the same for {grammar.every(found.n, 'seed')} ({found.metric}, {found.split})"
        return f"{same}, so the number of seeds needed cannot be estimated"
    parts = [_of_arm(found) if found.baseline is None else _of_pair(found)]
    if found.level != LEVEL:
        parts.append(f"all of this is at {percent(found.level)}, which corrects for the interim analyses")
    if found.crossed:
        parts.append("this assumes independent runs, while those of a crossed design share seeds, so it is optimistic")
    return "; ".join(parts)


def _of_arm(found: SeedsNeeded) -> str:
    spread, width, least = (amount(value, found.metric) for value in (found.sd, found.half_width, found.detectable))
    return (
        f"the {found.n} seeds of {found.arm} have an sd of {spread} ({found.metric}, {found.split}) and give its mean to "
        f"± {width}; against another arm with the same spread, unpaired, they detect a true difference of {least} with {POWER}"
    )


def _of_pair(found: SeedsNeeded) -> str:
    spread, least, observed = (amount(value, found.metric) for value in (found.sd, found.detectable, abs(found.mean)))
    detects = (
        f"{found.n} paired seeds of {found.name} ({found.metric}, {found.split}; sd of the differences {spread}) detect a true "
        f"difference of {least} with {POWER}"
    )
    if abs(found.mean) < ROUNDING:
        return f"{detects}; none is observed"
    if found.needs_examples:
        return f"{detects}; for the observed {observed}, more seeds will not help; a larger {found.split} set will"
    if found.n_for_observed is None:
        return f"{detects}; the observed {observed} is out of reach"
    return f"{detects}; if the observed {observed} is the true difference, {needed_for_observed(found)}"


def needed_for_observed(found: SeedsNeeded) -> str:
    """'34 seeds are needed': the number that every report of the pair gives."""
    n = found.n_for_observed or 0
    return f"{grammar.several(n, 'seed')} {'is' if n == 1 else 'are'} needed"


def seeds_for(aim: SeedsFor) -> str:
    """How many seeds a precise mean, or a difference to be detected, takes; a clause."""
    value = amount(aim.value, aim.metric)
    given = aim.arm is None
    spread = aim.arm if aim.baseline is None else f"{aim.arm} − {aim.baseline}"
    if aim.aim == "half_width":
        what = f"to know {'a mean at the given sd' if given else f'the mean of {spread}'} to ± {value}"
        units = "seeds"
    else:
        kind = "paired differences" if aim.paired else "each of two arms"
        at = f"the given sd of {kind}" if given else f"the spread of {spread}"
        what = f"to detect a true difference of {value} with {percent(aim.power or 0)} power at {at}"
        units = "pairs of seeds" if aim.paired else "seeds per arm"
    level = "" if aim.level == LEVEL else f", at {percent(aim.level)}, which corrects for the interim analyses"
    return f"{what}: {_n(aim, units)}{level}"


def _n(aim: SeedsFor, units: str) -> str:
    if aim.n_needed is None:
        return f"more than {MOST:,} {units}, which is out of reach"
    if aim.n is None:
        return f"{aim.n_needed} {units}"
    upper = "out of reach" if aim.n_high is None else str(aim.n_high)
    return f"{aim.n_needed} {units} ({aim.n_low} to {upper}, because the sd of {aim.n} seeds is itself uncertain)"


def winner(n: int) -> str:
    """Pairs of runs that tell a winner, whatever the spread."""
    what = "to show that one of two arms wins 75 % of the paired runs"
    return f"{what}: {n} pairs, whatever the spread (Noether 1987; both risks 5 %)"


def runs_to_exceed(found: RunsToExceed) -> str:
    """Runs until one exceeds a validation score."""
    better = f"for a run of {found.arm} that is better than {found.score:g} ({found.metric}, validation)"
    n = "none of its runs is, so no number can be given" if found.n_needed is None else grammar.several(found.n_needed, "run")
    return f"{better} with a probability of {percent(found.probability)}: {n}"


def nothing(counted: CountedSeeds) -> str:
    """Why nothing can be said about the seeds of a study."""
    if counted.nothing == "selected_seeds":
        return "nothing: these seeds were selected (many started, the best continued), so they do not estimate the spread"
    if counted.nothing == "split_design":
        return "nothing: runs on splits of the same examples are not independent; more examples help, more splits help little"
    scored = ", ".join(f"{arm} {n}" for arm, n in counted.n_scored.items())
    return f"nothing: at least three seeds with a score are needed, and there are: {scored}"
