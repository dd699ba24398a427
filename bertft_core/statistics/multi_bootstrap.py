"""The multi-bootstrap: is one arm better than another, for other seeds and for other examples of the same kind?

Source: Sellam et al. 2022 ("The MultiBERTs", section 4). Seeds and examples are drawn with replacement at the same time; an arm's
score is the mean over its drawn seeds of the metric on the drawn examples. Both arms use the same drawn examples and, if paired,
the same drawn seeds. Resampling one source alone shows which of the two the uncertainty comes from.

The published percentile interval (`percentile_…`) is given together with a corrected one (`low`, `high`, `p`), because
percentiles have two biases. With few seeds they are too narrow: a resample of n seeds has (n − 1)/n of the variance, and
percentiles do not account for the t-distribution (Hesterberg 2015, The American Statistician 69). And resampling both sources
counts the interaction of seed and example three times (Owen 2007, Annals of Applied Statistics 1), so they are too wide where
the interaction dominates. The corrected interval is difference ± h with, as for errors clustered in two ways (Cameron,
Gelbach & Miller 2011),

    V = V(seeds) + V(examples) − V(seeds and examples together), never under V(seeds),
    h = √V · [t(ν) · V(seeds) + z · (V − V(seeds))] / V,

a weighted mean of the t and normal quantiles, by the share of V that is estimated from few values (Cochran & Cox 1957; with the
degrees of freedom of Satterthwaite 1946 it covers too little for three or four seeds). V(seeds) is s²/n, its ν is n − 1 or,
unpaired, Welch's; V(examples) is that of the resampled differences; the interaction is how much s²/n grows when the
examples are resampled. With seeds alone this is the interval of the paired or of Welch's t-test. Its coverage is simulated in
tests/unit/test_coverage_simulations.py.

Paired runs of a crossed design share init and order seeds with each other. Then V(seeds) and ν are those of `crossed_mean`, and
for the percentiles init and order seeds are drawn independently (the pigeonhole bootstrap, Owen 2007).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, stdtrit

from bertft_core.statistics.crossed_mean import crossed_mean, crossed_variances
from bertft_core.statistics.kept_draws import kept_draws
from bertft_core.statistics.resampling import N_RESAMPLES, Draws
from bertft_core.statistics.rounding import ROUNDING, Floats
from bertft_core.statistics.row_blocks import row_blocks
from bertft_core.statistics.shared_by_runs import GridCell

LEVEL = 0.95
IN_MEMORY = 1_000_000
"""Resampled scores of a grid that are split into mean squares at a time."""


class Resampled(NamedTuple):
    """The uncertainty of the difference of means when one source, or both, is resampled.

    No p-value is below 2/(resamples + 1).
    """

    low: float
    high: float
    """Corrected interval."""
    p: float
    """Two-sided, of no difference: 1 − the level of the corrected interval that ends at 0."""
    percentile_low: float
    percentile_high: float
    percentile_p: float
    """Twice the smaller one-sided one, (k + 1)/(resamples + 1) with the k resampled differences that are not on that side of 0.

    Source: Davison & Hinkley 1997, section 4.4.
    """


class _Part(NamedTuple):
    """A variance of the difference of means and its degrees of freedom."""

    variance: float
    degrees: float


class MultiBootstrap(NamedTuple):
    """First arm minus second."""

    difference: float
    seeds: Resampled
    examples: Resampled | None
    """None, as `both`, if the examples cannot be resampled."""
    both: Resampled | None
    seeds_share: float | None
    """V(seeds) / (V(seeds) + V(examples)), each with the other source fixed; None if both are 0 or one is unknown."""
    p_many_seeds: float | None
    """The p-value of `both` if V(seeds) were 0, as with arbitrarily many seeds and the same difference; None as `both`."""


def multi_bootstrap(
    first: Draws,
    second: Draws,
    *,
    paired: bool,
    bootstrap_seed: int,
    level: float = LEVEL,
    n_resamples: int = N_RESAMPLES,
    cells: Sequence[GridCell] | None = None,
    is_pooled: bool = False,
) -> MultiBootstrap:
    """Compare two arms on one metric; `paired` if row i of both has the same seeds.

    `cells` are the (init, order) indices of paired runs that share seeds with each other. `is_pooled`: row i holds the pooled
    predictions of the i-th repeat of a cross-validation, and `both` has the variance of `pooled_bootstrap`.

    Both must come from `resample_examples` with the same seed, or have no resampled examples (then the seeds are
    resampled `n_resamples` times). The order of the seeds has no effect. Raises `ValueError` for fewer than two seeds of an
    arm, paired arms with different numbers of seeds, and cells of unpaired arms or without a complete 3 × 3 grid.
    """
    _check(first, second, paired)
    if cells is None:
        first, second = _in_order(first, second, paired)
    n_resamples = n_resamples if first.resampled is None else len(first.resampled)
    cells = None if cells is None else tuple(cells)
    draws_first = _seed_draws(len(first.scores), n_resamples, (bootstrap_seed, 1), cells)
    draws_second = draws_first if paired else _seed_draws(len(second.scores), n_resamples, (bootstrap_seed, 2))
    difference = float(first.scores.mean() - second.scores.mean())
    by_seeds = _by_seeds(first.scores, second.scores, paired, cells)
    means = draws_first @ first.scores - draws_second @ second.scores
    of_seeds = _resampled(difference, means, [by_seeds], level)
    if first.resampled is None or second.resampled is None:
        return MultiBootstrap(difference, of_seeds, None, None, None, None)
    means, both, variance = _on_examples((first, draws_first), (second, draws_second), paired, cells)
    by_examples = _Part(float(np.var(means, ddof=1)), np.inf)
    together = variance - by_seeds.variance
    for_both, rest = _parts_of_both(by_seeds, by_examples, together, len(first.scores) if is_pooled else None)
    every = by_seeds.variance + by_examples.variance
    return MultiBootstrap(
        difference,
        of_seeds,
        _resampled(difference, means, [by_examples], level),
        _resampled(difference, both, [for_both, rest], level),
        by_seeds.variance / every if every > ROUNDING**2 else None,
        _normal_p(difference, rest.variance),
    )


def _check(first: Draws, second: Draws, paired: bool) -> None:
    if min(len(first.scores), len(second.scores)) < 2:
        raise ValueError("the variance over seeds needs at least two seeds of each arm")
    if paired and len(first.scores) != len(second.scores):
        raise ValueError(f"paired arms must have the same seeds, not {len(first.scores)} and {len(second.scores)}")


def _in_order(first: Draws, second: Draws, paired: bool) -> tuple[Draws, Draws]:
    """Seeds sorted by score, so that their order in the input has no effect."""
    if first.resampled is None or second.resampled is None:
        first, second = Draws(first.scores), Draws(second.scores)
    keys = [[*([] if arm.resampled is None else arm.block(slice(2))), arm.scores] for arm in (first, second)]
    of_first = np.lexsort(keys[1] + keys[0] if paired else keys[0])
    return first.of_seeds(of_first), second.of_seeds(of_first if paired else np.lexsort(keys[1]))


@kept_draws(2)
def _seed_draws(n: int, n_resamples: int, seed: tuple[int, int], cells: tuple[GridCell, ...] | None = None) -> Floats:
    """Weight of each seed [resamples, n] in n draws with replacement: its number of draws over n.

    With `cells`: draws of its init seed times draws of its order seed, normalised. Cached, because all pairs of a study draw the
    same; not to be written to.
    """
    rng = np.random.default_rng(seed)
    drawn = np.ones((n_resamples, n))
    if cells is None:
        for rows in row_blocks(n_resamples, n):
            drawn[rows] = rng.multinomial(n, np.full(n, 1 / n), size=rows.stop - rows.start) / n
        return drawn
    for axis in (0, 1):
        levels, of_run = np.unique([cell[axis] for cell in cells], return_inverse=True)
        drawn *= rng.multinomial(len(levels), np.full(len(levels), 1 / len(levels)), size=n_resamples)[:, of_run]
    drawn[drawn.sum(axis=1) == 0] = 1  # all drawn pairs are missing runs
    return drawn / drawn.sum(axis=1, keepdims=True)


def _by_seeds(first: Floats, second: Floats, paired: bool, cells: Sequence[GridCell] | None) -> _Part:
    """s²/n of the differences, adjusted for shared seeds; unpaired, of each arm, with the degrees of freedom of Welch 1947."""
    if cells is not None:
        found = crossed_mean(first - second, cells) if paired else None
        if found is None:
            raise ValueError("runs that share seeds must be paired and have a complete grid of at least 3 × 3")
        return _Part(found.variance, found.degrees)
    of_each = [first - second] if paired else [first, second]
    parts = [_Part(float(np.var(scores, ddof=1)) / len(scores), len(scores) - 1.0) for scores in of_each]
    variance = sum(part.variance for part in parts)
    doubt = sum(part.variance**2 / part.degrees for part in parts)
    return _Part(variance, variance**2 / doubt if doubt > 0 else min(part.degrees for part in parts))


def _on_examples(
    first: tuple[Draws, Floats], second: tuple[Draws, Floats], paired: bool, cells: Sequence[GridCell] | None
) -> tuple[Floats, Floats, float]:
    """For every resample of the examples the difference of means over all seeds and over drawn seeds, both [resamples].

    And V(seeds) on resampled examples, mean over the resamples. Each arm comes with its `_seed_draws`.
    """
    n_resamples, n = first[1].shape
    means, both, variances = np.empty(n_resamples), np.empty(n_resamples), np.empty((1 if paired else 2, n_resamples))
    weighed = [np.empty((0, 0)), np.empty((0, 0))]
    for rows in row_blocks(n_resamples, max(n, second[1].shape[1])):
        a, b = (arm.block(rows) for arm, _ in (first, second))
        means[rows] = a.mean(axis=1) - b.mean(axis=1)
        if weighed[0].shape[0] != len(a):  # all blocks but the last are of one size
            weighed = [np.empty(a.shape), np.empty(b.shape)]
        np.multiply(first[1][rows], a, out=weighed[0])
        np.multiply(second[1][rows], b, out=weighed[1])
        both[rows] = weighed[0].sum(axis=1) - weighed[1].sum(axis=1)
        if cells is None:
            variances[:, rows] = [np.var(scores, axis=1, ddof=1) for scores in ([a - b] if paired else [a, b])]
    if cells is not None:
        return means, both, _mean_crossed_variance(first[0], second[0], cells)
    sizes = (n,) if paired else (n, second[1].shape[1])
    return means, both, sum(float(of_each.mean()) / size for of_each, size in zip(variances, sizes, strict=True))


def _mean_crossed_variance(first: Draws, second: Draws, cells: Sequence[GridCell]) -> float:
    """V(seeds) of runs that share seeds on resampled examples, mean over the resamples."""
    every = np.arange(0 if first.resampled is None else len(first.resampled))
    found = []
    for block in np.array_split(every, max(1, len(every) * len(first.scores) // IN_MEMORY)):
        rows = slice(block[0], block[-1] + 1)
        variances = crossed_variances(first.block(rows) - second.block(rows), cells)
        found += [] if variances is None else [variances]
    return float(np.concatenate(found).mean())


def _parts_of_both(by_seeds: _Part, by_examples: _Part, together: float, n_repeats: int | None) -> tuple[_Part, _Part]:
    """What is estimated from few seeds or repeats, and the rest; the variances add up to V."""
    if n_repeats is None:
        return by_seeds, _Part(max(by_examples.variance - together, 0.0), np.inf)
    together = max(together, 0.0)
    of_repeats = _Part(max(by_seeds.variance - together, 0.0), by_seeds.degrees)
    return of_repeats, _Part(by_examples.variance + n_repeats * together, np.inf)


def _resampled(difference: float, resampled: Floats, parts: list[_Part], level: float) -> Resampled:
    low, high = np.quantile(resampled, [0.5 - level / 2, 0.5 + level / 2])
    least = 1 / (len(resampled) + 1)
    below, above = ((np.count_nonzero(sign * resampled <= ROUNDING) + 1) * least for sign in (1, -1))
    half = _half_width(parts, 0.5 - level / 2)
    return Resampled(
        difference - half,
        difference + half,
        2 * _tail(parts, abs(difference), least),
        float(low),
        float(high),
        float(min(1.0, 2 * min(below, above))),
    )


def _normal_p(difference: float, variance: float) -> float:
    if abs(difference) <= ROUNDING:
        return 1.0
    return 0.0 if variance <= ROUNDING**2 else 2 * float(ndtr(-abs(difference) / variance**0.5))


def _half_width(parts: list[_Part], tail: float) -> float:
    """h of the interval that excludes `tail` on each side."""
    variance = sum(part.variance for part in parts)
    if variance <= ROUNDING**2:
        return 0.0
    return sum(-float(stdtrit(part.degrees, tail)) * part.variance for part in parts) / variance**0.5


def _tail(parts: list[_Part], difference: float, least: float) -> float:
    """The tail excluded by the interval that ends at 0, from `least` to 1/2."""
    if difference <= ROUNDING:
        return 0.5
    if _half_width(parts, least) <= difference:
        return least
    return float(brentq(lambda tail: _half_width(parts, tail) - difference, least, 0.5, xtol=ROUNDING))
