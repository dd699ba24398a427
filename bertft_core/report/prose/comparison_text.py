"""Sentences about pairs of arms: what is claimed, how certain it is, and where the uncertainty comes from.

All functions give clauses, without capital and full stop.
"""

from bertft_core.config.head_settings import Direction
from bertft_core.records.comparison_record import (
    Comparison,
    PairComparison,
    SplitSample,
    TestedDifference,
)
from bertft_core.report.formatting import intervals, numbers, p_values
from bertft_core.report.prose import grammar
from bertft_core.statistics.crossed_mean import FEWEST_LEVELS
from bertft_core.statistics.rounding import ROUNDING

MOSTLY_EXAMPLES, MOSTLY_SEEDS = 0.4, 0.6
"""Shares of the seeds in the variance of a difference; between them it comes from both alike."""
RESAMPLED = {"both": "seeds and examples resampled", "seeds": "seeds resampled", "examples": "examples resampled"} | {
    "splits": "over splits"
}
SHARED_EXAMPLES = "test and interval allow for the examples that the splits share"
GRID = f"{FEWEST_LEVELS} × {FEWEST_LEVELS}"


def difference(arm: str, other: str, value: float, metric: str, split: str, direction: Direction | None) -> str:
    """'full is 1.2 points (accuracy, test) above features'."""
    what = f"({metric}, {split}{'; lower is better' if direction == 'minimize' else ''})"
    if abs(value) < ROUNDING:
        return f"{arm} and {other} score the same {what}"
    size = numbers.difference(abs(value), metric) + numbers.unit(metric)
    return f"{arm} is {size} {what} {'above' if value > 0 else 'below'} {other}"


def pair(found: PairComparison, comparison: Comparison) -> str:
    """The sentence of a pair: its difference, the verdict with its evidence, and what remains uncertain."""
    head = difference(found.arm, found.baseline, found.difference, found.metric, found.split, found.direction)
    head += f" on average over {_sample(found)}" if not found.claimed else f" over {_sample(found)}"
    if abs(found.difference) < ROUNDING:
        return f"{head}: no difference is claimed"
    if found.interval is None:
        why = f" (at least {GRID} paired seeds are needed)" if found.crossed else ""
        return f"{head}: {found.verdict}; no interval can be given{why}"
    rest = _limits(found) if found.claimed else _uncertainty(found, comparison.level)
    stable = _more_stable(found, comparison.level)
    parts = [f"{head}: {found.verdict} ({_evidence(found, found.interval, comparison)})", *rest, *stable]
    return "; ".join([*parts, *_without_collapsed(found)])


def with_verdict(found: PairComparison, comparison: Comparison) -> str:
    """The sentence of a pair after its verdict: 'full is better: …'."""
    return f"{f'{found.better} is better' if found.claimed else found.verdict}: {pair(found, comparison)}"


def n_claimed(comparison: Comparison) -> str:
    """'1 of 3 differences claimed (best/test/accuracy)'."""
    claimed = [found.claimed for found in comparison.headline_pairs]
    return f"{sum(claimed)} of {len(claimed)} differences claimed ({comparison.headline_key})"


def resamples(comparison: Comparison) -> str:
    """'10,000 resamples (2,000 on other metrics)'."""
    n, others = comparison.n_resamples, {pair.n_resamples for pair in comparison.pairs if pair.n_resamples is not None}
    fewer = ", ".join(f"{other:,}" for other in sorted(others - {n}))
    return f"{n:,} resamples" + (f" ({fewer} on other metrics)" if fewer else "")


def _sample(found: PairComparison) -> str:
    """'5 paired seeds and 160 examples'."""
    n, n_baseline = found.n_seeds_arm, found.n_seeds_baseline
    if found.splits is not None:
        seeds = _splits(found.splits, n)
    elif found.crossed:
        seeds = f"{n} {'paired' if found.paired else f'and {n_baseline}'} runs that share seeds"
    elif found.paired:
        seeds = f"{n} paired seeds"
    else:
        seeds = f"{n} seeds each" if n == n_baseline else f"{n} and {n_baseline} seeds"
    if found.unit is None:
        return seeds
    examples = f" and {found.n_examples:,} {found.unit}s" if found.n_examples is not None else f", each on its own {found.unit}s"
    return seeds + examples


def _splits(found: SplitSample, n_runs: int) -> str:
    """'10 splits (5 folds × 2)', with the number of paired runs where there are several on a split."""
    times = "" if found.repeats in (None, 1) else f" × {found.repeats}"
    folds = "" if found.folds is None else f" ({found.folds} folds{times})"
    runs = "" if n_runs == found.n_splits else f" with {n_runs} paired runs"
    return f"{grammar.several(found.n_splits, 'split')}{folds}{runs}"


def _evidence(found: PairComparison, interval: TestedDifference, comparison: Comparison) -> str:
    """'p = 0.013 after Holm's correction over 8 tests; 95 % interval 5.9 to 21.1'."""
    if found.crossed:
        test = "not tested, because runs share seeds"
    elif found.p_holm is None:
        test = "no test is possible"
    else:
        n = comparison.n_tests
        test = p_values.clause(found.p_holm) + (f" after Holm's correction over {n} tests" if n > 1 else "")
        if not found.claimed and any(note.kind == "few_resamples" for note in comparison.notes):
            test += f", which {comparison.n_resamples:,} resamples are too few to bring below {1 - comparison.level:.2g}"
    ends = intervals.of_difference(interval.low, interval.high, found.metric, of=found.difference)
    excludes = _excludes_zero(interval)
    # of the p-value and the interval, only the former is corrected for the number of tests
    only_p_corrected = excludes and not found.claimed and found.p_holm is not None and comparison.n_tests > 1
    kind = "uncorrected " if only_p_corrected else ""
    zero = "" if found.claimed else (" excludes zero" if excludes else " includes zero")
    return f"{test}; {kind}{numbers.percent(comparison.level)} interval {ends}{zero}"


def _excludes_zero(interval: TestedDifference) -> bool:
    return interval.low > 0 or interval.high < 0


def _alike(found: PairComparison) -> bool:
    """Seeds and examples bring about as much of the uncertainty."""
    return found.seeds_share is not None and MOSTLY_EXAMPLES < found.seeds_share < MOSTLY_SEEDS


def _limits(found: PairComparison) -> list[str]:
    """What a claimed difference leaves open."""
    parts = []
    if found.superiority is not None and found.better is not None:
        share = found.superiority.value if found.better == found.arm else 1 - found.superiority.value
        runs = "the paired runs" if found.paired else "all pairs of runs"
        parts.append(f"{found.better} is ahead in {100 * share:.0f} % of {runs}" + (", ties counted half" if share < 1 else ""))
    if found.splits is not None:
        return [*parts, SHARED_EXAMPLES]
    seeds, examples = "which seeds ran", f"which {found.unit}s are in the {found.split} set"
    if found.examples is None:
        parts.append("only the seeds were resampled, so it may not hold on other examples")
    elif _alike(found):
        parts.append(f"the size of the difference depends as much on {seeds} as on {examples}")
    elif found.source is not None:
        parts.append(f"the size of the difference depends mostly on {seeds if found.source == 'seeds' else examples}")
    return parts


def _uncertainty(found: PairComparison, level: float) -> list[str]:
    """Where the uncertainty of an inconclusive difference comes from, and what would reduce it."""
    if found.splits is not None:
        return [SHARED_EXAMPLES, "more examples will help; more splits of these will help little"]
    alone = {"seeds": found.seeds, "examples": found.examples}
    excluding = [name for name, interval in alone.items() if interval is not None and _excludes_zero(interval)]
    parts = []
    if found.both is not None and not _excludes_zero(found.both) and len(excluding) == 1:
        parts.append(f"with only the {excluding[0]} resampled, the interval excludes zero")
    if found.both is not None and _excludes_zero(found.both):
        including = [name for name, interval in alone.items() if interval is not None and name not in excluding]
        parts += [f"with only the {name} resampled, the interval includes zero" for name in including]
    if found.examples is None:
        parts.append("only the seeds were resampled: more seeds will help")
    elif _alike(found):
        parts.append(f"the uncertainty comes from seeds and {found.unit}s alike: more of both will help")
    elif found.source == "seeds":
        parts.append("the uncertainty comes mostly from the seeds: more seeds will help")
    elif found.source == "examples":
        useless = found.needs_examples(level)
        larger = "more seeds will not help; a larger {0} set will" if useless else "a larger {0} set will help most"
        parts.append(f"the uncertainty comes mostly from the {found.unit}s: {larger.format(found.split)}")
    return parts


def _more_stable(found: PairComparison, level: float) -> list[str]:
    """Which arm varies less over seeds, where the test of equal spread that keeps its level finds one."""
    test = next((each for each in found.stability if each.name == "Brown-Forsythe"), None)
    if test is None or test.p is None or test.p > 1 - level or found.sd_ratio is None or found.sd_ratio.value == 1:
        return []
    ratio = found.sd_ratio.value
    stable = found.arm if ratio < 1 else found.baseline
    evidence = f"(Brown-Forsythe, uncorrected, {p_values.clause(test.p)})"
    return [f"{stable} is more stable: its sd over seeds is {min(ratio, 1 / ratio):.2f} of the other's {evidence}"]


def _without_collapsed(found: PairComparison) -> list[str]:
    second = found.without_collapsed
    if second is None:
        return []
    n_arm, n_baseline = found.n_seeds_arm - second.n_seeds_arm, found.n_seeds_baseline - second.n_seeds_baseline
    left_out = [f"{n} of {name}" for n, name in ((n_arm, found.arm), (n_baseline, found.baseline)) if n]
    value = numbers.difference(second.difference, found.metric, sign=True)
    if second.both is not None:
        ends = (second.both.low, second.both.high)
        value += f" ({' to '.join(numbers.difference(end, found.metric, of=second.difference, sign=True) for end in ends)})"
    runs = "pairs of runs with a collapsed one" if found.paired else "collapsed runs"
    return [f"without the {runs} ({grammar.listed(left_out)}) the difference is {value}, reported as descriptive only"]
