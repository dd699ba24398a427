"""The multi-bootstrap: is one arm better than another, for other seeds and for other examples of the same kind?

Source: Sellam et al. 2022 ("The MultiBERTs", section 4). Seeds and examples are drawn with replacement at the same time; an arm's
score is the mean over its drawn seeds of the metric on the drawn examples. The examples drawn are the same for both arms, and so
are the seeds where the arms are paired. Resampling one source alone tells which of the two the doubt comes from.

The published percentile interval is given (`percentile_…`), and with it a corrected one (`low`, `high`, `p`), because percentiles
miss twice. With few seeds they are too narrow: a resample of n seeds has (n − 1)/n of the variance, and percentiles know no
t-distribution (Hesterberg 2015, The American Statistician 69). And resampling both sources counts what seed and example do
together three times instead of once (Owen 2007, Annals of Applied Statistics 1), so they are too wide where that is most of
it. The corrected interval is difference ± t · √V with, as for errors clustered in two ways (Cameron, Gelbach & Miller 2011),

    V = V(seeds) + V(examples) − V(seeds and examples together), never under the larger of the first two,

and t of ν = V² / Σ V_i²/(n_i − 1) degrees of freedom (Satterthwaite 1946). V(seeds) is s²/n; V(examples) that of the resampled
differences; the last is how much s² grows when the examples are resampled, by n. With seeds alone it is the interval of the
paired or of Welch's t-test. Its coverage is simulated in tests/unit/test_coverage_simulations.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from bertft_core.statistics.resampled_examples import N_RESAMPLES, Draws

LEVEL = 0.95
NOTHING = 1e-12
"""Differences under this are rounding; scores are of the order of 1."""

Floats = NDArray[np.float64]


class Resampled(NamedTuple):
    """The difference of the means when one source, or both, could have come out otherwise.

    No p-value is under 1/(resamples + 1).
    """

    standard_error: float
    degrees_of_freedom: float
    low: float
    high: float
    """Corrected interval."""
    p: float
    """Two-sided, of no difference, from the corrected interval's t."""
    p_greater: float
    """One-sided: small where the first arm's mean is greater."""
    percentile_low: float
    percentile_high: float
    percentile_p: float
    """Two-sided: twice the smaller of the two one-sided ones."""
    percentile_p_greater: float
    """(k + 1)/(resamples + 1) with the k resampled differences that are 0 or less (Davison & Hinkley 1997, section 4.4)."""


class MultiBootstrap(NamedTuple):
    """First arm minus second."""

    difference: float
    seeds: Resampled
    examples: Resampled | None
    """None, as `both`, where the examples could not be resampled."""
    both: Resampled | None
    seeds_share: float | None
    """V(seeds) / (V(seeds) + V(examples)), each with the other source as it is; None where both are 0 or one is not known."""


def multi_bootstrap(
    first: Draws, second: Draws, *, paired: bool, bootstrap_seed: int, level: float = LEVEL, n_resamples: int = N_RESAMPLES
) -> MultiBootstrap:
    """Compare two arms on one metric; `paired` where row i of both has the same seeds.

    Both must come from `resample_examples` with the same seed, or have no resampled examples (then `n_resamples` of the seeds
    are made). The order of the seeds has no effect. Raises `ValueError` for fewer than two seeds of an arm, or paired arms of
    different numbers of seeds.
    """
    _check(first, second, paired)
    first, second = _in_order(first, second, paired)
    n_resamples = n_resamples if first.resampled is None else len(first.resampled)
    draws_first = _seed_draws(len(first.scores), n_resamples, [bootstrap_seed, 1])
    draws_second = draws_first if paired else _seed_draws(len(second.scores), n_resamples, [bootstrap_seed, 2])
    difference = float(first.scores.mean() - second.scores.mean())
    parts = _seed_parts(first.scores, second.scores, paired)
    of_seeds = _resampled(
        difference, draws_first @ first.scores - draws_second @ second.scores, parts, sum(v for v, _ in parts), level
    )
    if first.resampled is None or second.resampled is None:
        return MultiBootstrap(difference, of_seeds, None, None, None)
    means = first.resampled.mean(axis=1) - second.resampled.mean(axis=1)
    over_seeds, over_examples = sum(v for v, _ in parts), float(np.var(means, ddof=1))
    together = _mean_seed_variance(first.resampled, second.resampled, paired) - over_seeds
    total = max(over_seeds + over_examples - max(together, 0.0), over_seeds, over_examples)
    both = (draws_first * first.resampled).sum(axis=1) - (draws_second * second.resampled).sum(axis=1)
    every = over_seeds + over_examples
    return MultiBootstrap(
        difference,
        of_seeds,
        _resampled(difference, means, [(over_examples, np.inf)], over_examples, level),
        _resampled(difference, both, parts, total, level),
        over_seeds / every if every > NOTHING**2 else None,
    )


def _check(first: Draws, second: Draws, paired: bool) -> None:
    if min(len(first.scores), len(second.scores)) < 2:
        raise ValueError("the spread over seeds needs two seeds of each arm at least")
    if paired and len(first.scores) != len(second.scores):
        raise ValueError(f"paired arms must have the same seeds, not {len(first.scores)} and {len(second.scores)}")


def _in_order(first: Draws, second: Draws, paired: bool) -> tuple[Draws, Draws]:
    """Seeds by rising score, so that their order in the caller's hands, or in a set of names, has no effect."""
    if first.resampled is None or second.resampled is None:
        first, second = Draws(first.scores), Draws(second.scores)
    keys = [[*([] if arm.resampled is None else arm.resampled[:2]), arm.scores] for arm in (first, second)]
    of_first = np.lexsort(keys[1] + keys[0] if paired else keys[0])
    return _taken(first, of_first), _taken(second, of_first if paired else np.lexsort(keys[1]))


def _taken(arm: Draws, order: NDArray[np.intp]) -> Draws:
    return Draws(arm.scores[order], None if arm.resampled is None else arm.resampled[:, order])


def _seed_draws(n: int, n_resamples: int, seed: list[int]) -> Floats:
    """Weight of each seed [resamples, n] in n draws with replacement: how often it was drawn, by n."""
    return np.asarray(np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_resamples) / n)


def _seed_parts(first: Floats, second: Floats, paired: bool) -> list[tuple[float, float]]:
    """Variances of the difference of means from the seeds, each with its degrees of freedom."""
    of_each = [first - second] if paired else [first, second]
    return [(float(np.var(scores, ddof=1)) / len(scores), len(scores) - 1.0) for scores in of_each]


def _mean_seed_variance(first: Floats, second: Floats, paired: bool) -> float:
    """V(seeds) on resampled examples, mean over the resamples."""
    of_each = [first - second] if paired else [first, second]
    return sum(float(np.var(scores, axis=1, ddof=1).mean()) / scores.shape[1] for scores in of_each)


def _resampled(
    difference: float, resampled: Floats, parts: list[tuple[float, float]], variance: float, level: float
) -> Resampled:
    """`parts`: the variances that are known from few values, with their degrees of freedom; `variance`: of all sources."""
    uncertain = sum(part**2 / degrees for part, degrees in parts)
    degrees = variance**2 / uncertain if uncertain > 0 else np.inf
    error, least = variance**0.5, 1 / (len(resampled) + 1)
    low, high = np.quantile(resampled, [0.5 - level / 2, 0.5 + level / 2])
    below, above = ((np.count_nonzero(sign * resampled <= NOTHING) + 1) * least for sign in (1, -1))
    t = 0.0 if abs(difference) <= NOTHING else difference / error if error > NOTHING else np.copysign(np.inf, difference)
    half = float(stdtrit(degrees, 0.5 + level / 2)) * error
    return Resampled(
        error,
        float(degrees),
        difference - half,
        difference + half,
        max(2 * float(stdtr(degrees, -abs(t))), least),
        max(float(stdtr(degrees, -t)), least),
        float(low),
        float(high),
        float(min(1.0, 2 * min(below, above))),
        float(below),
    )
