"""How intervals are written."""

from __future__ import annotations

from bertft_core.report.formatting import numbers


def interval(low: float | None, high: float | None) -> str:
    """Both ends of an interval."""
    return numbers.ABSENT if low is None or high is None else f"{numbers.score(low)} to {numbers.score(high)}"
