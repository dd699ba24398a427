"""How p-values are written."""

from bertft_core.report.formatting import numbers


def p_value(value: float | None) -> str:
    """A p-value as papers print it: '0.012', '< 0.001'."""
    return numbers.ABSENT if value is None else ("< 0.001" if value < 0.001 else f"{value:.3f}")


def clause(value: float) -> str:
    """A p-value in a sentence: 'p = 0.013', 'p = 0.21', 'p < 0.001'."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.{3 if value < 0.1 else 2}f}"
