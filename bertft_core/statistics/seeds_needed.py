"""How many seeds are needed for a narrow interval, for the power of a t-test or to identify a winner, and what n seeds detect."""

import math
from collections.abc import Callable
from functools import lru_cache

from bertft_core.statistics.distributions import brentq, nctdtr, ndtri, stdtrit

FAR = 1e9
"""No power differs from 1 beyond this shift, and scipy's distribution is not defined far beyond."""
MOST = 10_000_000
"""More seeds than this are called out of reach."""
MIN_SEEDS = 3
"""Of fewer seeds nothing is compared or extrapolated: a standard deviation of two values is hardly an estimate."""


def half_width(n: int, sd: float, level: float = 0.95) -> float:
    """Half of the t-interval of the mean of `n` ≥ 2 normal values with this sd: t(n − 1) · sd / √n."""
    return float(stdtrit(n - 1, 0.5 + level / 2)) * sd / math.sqrt(n)


def seeds_for_half_width(sd: float, wanted: float, level: float = 0.95) -> int | None:
    """Smallest n ≥ 2 whose `half_width` is `wanted` or less, if the sd is `sd`; None above `MOST`.

    The sd of a small study is itself uncertain, and so is this number. Raises `ValueError` for a width that is not positive.
    """
    if wanted <= 0:
        raise ValueError("the half width must be positive")
    return _smallest(lambda n: half_width(n, sd, level) <= wanted)


def power(n: int, effect: float, *, paired: bool, alpha: float = 0.05) -> float:
    """Power of the two-sided t-test with `n` ≥ 2 seeds per arm, by the non-central t distribution (Cohen 1988).

    `effect` is the true difference over the sd: of the paired differences (df n − 1, shift d·√n), or of the scores of each of
    two unpaired arms, equal in both (df 2n − 2, shift d·√(n/2)).
    """
    df, shift = (n - 1, abs(effect) * math.sqrt(n)) if paired else (2 * n - 2, abs(effect) * math.sqrt(n / 2))
    shift = min(shift, FAR)
    critical = float(stdtrit(df, 1 - alpha / 2))
    wrong_side = float(nctdtr(df, shift, -critical)) if shift < 5 else 0.0  # under 1e-8 there, and scipy's series fails far out
    return float(nctdtr(df, -shift, -critical)) + wrong_side  # the share above `critical`, mirrored


def seeds_for_power(effect: float, *, paired: bool, wanted: float = 0.8, alpha: float = 0.05) -> int | None:
    """Smallest n ≥ 2 per arm with this `power`; None above `MOST` or for no effect."""
    if effect == 0:
        return None
    return _smallest(lambda n: power(n, effect, paired=paired, alpha=alpha) >= wanted)


@lru_cache(maxsize=512)
def detectable_effect(n: int, *, paired: bool, wanted: float = 0.8, alpha: float = 0.05) -> float:
    """Smallest effect, in sds, that `n` ≥ 2 seeds per arm detect with this power: `power` solved for the effect."""

    def short(effect: float) -> float:
        return power(n, effect, paired=paired, alpha=alpha) - wanted

    enough = 1.0
    while short(enough) < 0:
        enough *= 2
    return float(brentq(short, 0.0, enough))


def seeds_for_winning(gamma: float = 0.75, alpha: float = 0.05, beta: float = 0.05) -> float:
    """Pairs of runs to distinguish P(A > B) = `gamma` from one half: ((z₁₋α − z_β)/(√6 (½ − γ)))², to be rounded up.

    Noether 1987, as used by Bouthillier et al. 2021: `alpha` the one-sided level, `beta` the risk of missing it. 29 at 0.75.
    Raises `ValueError` for a gamma outside (½, 1).
    """
    if not 0.5 < gamma < 1:
        raise ValueError("gamma must lie between one half and 1")
    return float((ndtri(1 - alpha) - ndtri(beta)) / (math.sqrt(6) * (0.5 - gamma))) ** 2


def _smallest(enough: Callable[[int], bool]) -> int | None:
    """Smallest n ≥ 2 that is enough; every larger n must be enough too."""
    high = 2
    while not enough(high):
        high *= 2
        if high > MOST:
            return None
    low = high // 2  # not enough, or 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
