"""How p-values are written."""

from __future__ import annotations

from bertft_core.report.formatting import numbers


def p_value(value: float | None) -> str:
    """A p-value as papers print it: '0.012', '< 0.001'."""
    return numbers.ABSENT if value is None else ("< 0.001" if value < 0.001 else f"{value:.3f}")
