"""One plain sentence for each pair: what is claimed, how sure, what is not decided yet, and where the doubt comes from."""

from __future__ import annotations

from bertft_core.evaluation.differences import SAME, Told
from bertft_core.records.comparison_record import PairComparison, ResampledDifference

MOSTLY_EXAMPLES, MOSTLY_SEEDS = 0.4, 0.6
"""Shares of the seeds in the variance of a difference; between them it comes from both."""

SHARED = "runs that share seeds are not tested"


def sentence(pair: PairComparison, n_tests: int, level: float) -> str:
    """The sentence of a pair whose numbers are all there but this one."""
    told = Told(pair.arm, pair.baseline, pair.split, pair.metric, pair.direction)
    over = _over(pair)
    if abs(pair.difference) < SAME:
        return f"{told.average(0.0, ' on average')} over {over}: no difference is claimed"
    interval = pair.both or pair.seeds
    if interval is None:
        why = ": it takes 3 × 3 paired seeds or more" if pair.crossed else ""
        return f"{told.average(pair.difference, ' on average')} over {over}; no interval can be given{why}, so nothing is claimed"
    percent = f"{100 * level:.4g} %"
    if pair.claimed:
        ends = sorted((abs(interval.low), abs(interval.high))) if _one_sided(interval) else [interval.low, interval.high]
        size = " to ".join(told.number(end, pair.difference) for end in ends)
        how = f"this is claimed: {_p(pair.p_holm)}{_corrected(n_tests)}, {percent} interval {size}"
        parts = [f"{told.average(pair.difference, '')} over {over}", how, *_order(pair), *_undecided(pair)]
        return "; ".join([*parts, *_stability(pair, level), *_second_look(pair, told)])
    size = " to ".join(told.number(end, pair.difference, sign=True) for end in (interval.low, interval.high))
    holds = "holds zero" if not _one_sided(interval) else "leaves zero out by itself"
    test = SHARED if pair.crossed else f"{_p(pair.p_holm)}{_corrected(n_tests)}"
    why = f"{test}, and the {percent} interval {size} {holds}"
    head = f"{told.average(pair.difference, ' on average')} over {over}, but this is not claimed: {why}"
    return "; ".join([head, *_doubt(pair), *_stability(pair, level), *_second_look(pair, told)])


def _over(pair: PairComparison) -> str:
    if pair.crossed:
        seeds = f"{pair.n_seeds_arm} {'paired' if pair.paired else f'and {pair.n_seeds_baseline}'} runs that share seeds"
    elif pair.paired:
        seeds = f"{pair.n_seeds_arm} paired seeds"
    elif pair.n_seeds_arm == pair.n_seeds_baseline:
        seeds = f"{pair.n_seeds_arm} seeds each"
    else:
        seeds = f"{pair.n_seeds_arm} and {pair.n_seeds_baseline} seeds"
    if pair.unit is None:
        return seeds
    return f"{seeds}, each on its own {pair.unit}s" if pair.n_examples is None else f"{seeds} and {_count(pair)}"


def _count(pair: PairComparison) -> str:
    """`10 000 examples`"""
    return f"{pair.n_examples:,} {pair.unit}s".replace(",", " ")


def _one_sided(interval: ResampledDifference) -> bool:
    return interval.low > 0 or interval.high < 0


def _p(p: float | None) -> str:
    if p is None:
        return "no test could be made"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _corrected(n_tests: int) -> str:
    return f" after Holm's correction over {n_tests} tests" if n_tests > 1 else ""


def _order(pair: PairComparison) -> list[str]:
    """How often one run shows what the means show."""
    if pair.superiority is None or pair.better is None:
        return []
    share = pair.superiority.value if pair.better == pair.arm else 1 - pair.superiority.value
    runs = "the paired runs" if pair.paired else "all pairs of a run of each"
    return [f"{pair.better} is ahead in {100 * share:.0f} % of {runs}"]


def _undecided(pair: PairComparison) -> list[str]:
    """What a claimed difference still leaves open."""
    if pair.examples is None:
        return ["only the seeds were resampled, so it is not decided whether it holds on other examples"]
    seeds, examples = "which seeds ran", f"which {pair.unit}s are in the {pair.split} set"
    if _alike(pair):
        return [f"how large it is depends on {seeds} as much as on {examples}"]
    source = {"seeds": seeds, "examples": examples, None: None}[pair.source]
    return [] if source is None else [f"how large it is depends mostly on {source}"]


def _doubt(pair: PairComparison) -> list[str]:
    """Where the doubt comes from, and what would lessen it."""
    alone = [name for name, found in (("seeds", pair.seeds), ("examples", pair.examples)) if found and _one_sided(found)]
    parts = []
    if pair.both is not None and not _one_sided(pair.both) and len(alone) == 1:
        parts.append(f"resampling {alone[0]} alone would have left zero out")
    if pair.both is not None and _one_sided(pair.both):
        parts += [f"resampling {name} alone holds zero" for name in ("seeds", "examples") if not _one_sided_alone(pair, name)]
    if _alike(pair):
        parts.append(f"the doubt comes from the seeds as much as from the {pair.unit}s: more of both would tell")
    elif pair.source == "seeds":
        parts.append("the doubt comes mostly from the seeds: more seeds would tell")
    elif pair.source == "examples":
        parts.append(
            f"the doubt comes mostly from the {pair.unit}s: more seeds will hardly tell, a larger {pair.split} set would"
        )
    elif pair.examples is None:
        parts.append("only the seeds were resampled: more seeds would tell")
    return parts


def _stability(pair: PairComparison, level: float) -> list[str]:
    """Which of the two moves less over seeds, where a test that keeps its level says so by itself."""
    test = next((found for found in pair.stability if found.name == "Brown-Forsythe"), None)
    if test is None or test.p is None or test.p > 1 - level or pair.sd_ratio is None or pair.sd_ratio.value == 1:
        return []
    steadier = pair.arm if pair.sd_ratio.value < 1 else pair.baseline
    ratio = min(pair.sd_ratio.value, 1 / pair.sd_ratio.value)
    return [
        f"{steadier} is the more stable one: {ratio:.2f} of the other's sd over seeds (Brown-Forsythe, uncorrected, {_p(test.p)})"
    ]


def _one_sided_alone(pair: PairComparison, source: str) -> bool:
    found = pair.seeds if source == "seeds" else pair.examples
    return found is None or _one_sided(found)


def _alike(pair: PairComparison) -> bool:
    """Neither source has clearly more of the doubt."""
    return pair.seeds_share is not None and MOSTLY_EXAMPLES < pair.seeds_share < MOSTLY_SEEDS


def _second_look(pair: PairComparison, told: Told) -> list[str]:
    """The numbers without collapsed runs, which claim nothing."""
    second = pair.without_collapsed
    if second is None:
        return []
    left_out = [
        f"{n} of {name}"
        for n, name in (
            (pair.n_seeds_arm - second.n_seeds_arm, pair.arm),
            (pair.n_seeds_baseline - second.n_seeds_baseline, pair.baseline),
        )
        if n
    ]
    numbers = told.number(second.difference, second.difference, sign=True)
    if second.both is not None:
        ends = [told.number(end, second.difference, sign=True) for end in (second.both.low, second.both.high)]
        numbers += f" ({' to '.join(ends)})"
    runs = "pairs of runs with a collapsed one" if pair.paired else "collapsed runs"
    return [f"without the {runs} ({' and '.join(left_out)}) the difference is {numbers}, which is told and not claimed"]
