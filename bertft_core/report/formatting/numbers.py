"""How numbers are written: scores, differences, settings, durations."""

from __future__ import annotations

from typing import Any

ABSENT = "–"


def score(value: float | None) -> str:
    """A score with three decimals."""
    return ABSENT if value is None else f"{value:z.3f}".replace("-", "−")


def signed(value: float | None) -> str:
    """A difference with its sign and three decimals; what rounds to zero has no sign."""
    return ABSENT if value is None else f"{value:+z.3f}".replace("+0.000", "0.000").replace("-", "−")


def shortened(name: str, longest: int) -> str:
    """A name that fits; an ellipsis stands for what does not."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def setting(value: Any) -> str:
    """A setting's value; numbers without useless digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Seconds as '48 s', '12 min' or '3.5 h'."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
