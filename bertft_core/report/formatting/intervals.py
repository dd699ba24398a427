"""How intervals are written."""

from __future__ import annotations

from bertft_core.report.formatting import numbers


def interval(low: float | None, high: float | None) -> str:
    """Both ends of an interval of a score."""
    return numbers.ABSENT if low is None or high is None else f"{numbers.score(low)} to {numbers.score(high)}"


def signed(low: float | None, high: float | None) -> str:
    """Both ends of an interval of a difference, with their signs."""
    return numbers.ABSENT if low is None or high is None else f"{numbers.signed(low)} to {numbers.signed(high)}"


def with_decimals(low: float | None, high: float | None, n: int = 2) -> str:
    """Both ends with `n` decimals, such as those of a probability."""
    return numbers.ABSENT if low is None or high is None else f"{numbers.decimals(low, n)} to {numbers.decimals(high, n)}"


def of_difference(low: float, high: float, metric: str, *, of: float) -> str:
    """The interval of a difference of a metric in words: '5.9 to 21.1' for its size, with signs where it includes zero."""
    if low <= 0 <= high:
        return " to ".join(numbers.difference(end, metric, of=of, sign=True) for end in (low, high))
    return " to ".join(numbers.difference(end, metric, of=of) for end in sorted((abs(low), abs(high))))
