"""How intervals are written."""

from bertft_core.records.comparison_record import IntervalEstimate, PairComparison, TestedDifference
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


def resampled(found: TestedDifference | None) -> str:
    """The interval of a difference, with signs."""
    return numbers.ABSENT if found is None else signed(found.low, found.high)


def pooled(pair: PairComparison, found: TestedDifference | None) -> str:
    """The interval of a pair with resampled examples; of pooled predictions after their difference, which is another one."""
    middle = pair.pooled_difference
    return resampled(found) if middle is None or found is None else f"{numbers.signed(middle)} ({resampled(found)})"


def estimate(found: IntervalEstimate | None) -> str:
    """'0.75 (0.51 to 0.98)': a value and, where there is one, its interval."""
    if found is None:
        return numbers.ABSENT
    ends = "" if found.low is None or found.high is None else f" ({with_decimals(found.low, found.high)})"
    return f"{numbers.decimals(found.value, 2)}{ends}"
