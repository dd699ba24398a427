"""How numbers are written: scores, differences, settings, durations. Minus is '−'; what rounds to zero has no sign."""

import math
from typing import Any

from bertft_core.metrics.bounds import is_share

ABSENT = "–"
MOST_DECIMALS = 12


def score(value: float | None) -> str:
    """A score with three decimals."""
    return ABSENT if value is None else decimals(value, 3)


def signed(value: float | None) -> str:
    """A difference with its sign and three decimals."""
    return ABSENT if value is None else decimals(value, 3, sign=True)


def decimals(value: float, n: int, *, sign: bool = False) -> str:
    """A number with `n` decimals."""
    text = f"{value:{'+' if sign else ''}z.{n}f}"
    return (text.removeprefix("+") if float(text) == 0 else text).replace("-", "−")


def difference(value: float, metric: str, *, of: float | None = None, sign: bool = False) -> str:
    """A difference of a metric without its unit: in points where the metric is a share, else with three decimals.

    As precise as the difference `of` that it belongs to (an end of its interval, say) needs: two decimals under half a point, and
    two significant digits where it would round to zero.
    """
    scale = 100 if is_share(metric) else 1
    size = abs(scale * (value if of is None else of))
    n = 3 if scale == 1 else 1 if size >= 0.5 else 2
    if 0 < size < 0.5 * 10**-n:
        n = min(1 - math.floor(math.log10(size)), MOST_DECIMALS)
    return decimals(scale * value, n, sign=sign)


def unit(metric: str) -> str:
    """What to write behind a `difference`: ' points' or nothing."""
    return " points" if is_share(metric) else ""


def amount(value: float, metric: str | None) -> str:
    """A size or a spread with three significant digits: '1.3 points' where the metric is a share; None is a plain number."""
    if metric is None or not is_share(metric):
        return f"{value:.3g}".replace("-", "−")
    points = f"{100 * value:.3g}".replace("-", "−")
    return f"{points} {'point' if points == '1' else 'points'}"


def percent(share: float, digits: int = 4, *, sign: bool = False) -> str:
    """'95 %': a share with so many significant digits at most."""
    value = float(f"{100 * share:.{digits}g}")  # without the exponent that 100 has in two digits
    return f"{value:{'+' if sign and value else ''}g} %".replace("-", "−")


def shortened(name: str, longest: int) -> str:
    """A name of at most `longest` characters; the rest is replaced by an ellipsis."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def setting(value: Any) -> str:
    """A setting's value as in a config; numbers without useless digits."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Seconds as '0.4 s', '48 s', '12 min' or '3.5 h'."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
