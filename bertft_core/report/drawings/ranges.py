"""What an axis reaches from and to."""

import math
from collections.abc import Iterable

Point = tuple[float, float]


def padded(values: Iterable[float], share: float = 0.06) -> Point:
    """A data range with room on both sides; never empty, (0, 1) without values."""
    found = list(values)
    if not found:
        return 0.0, 1.0
    low, high = min(found), max(found)
    room = (high - low) * share or max(abs(low) * share, 0.01)
    return low - room, high + room


def padded_powers(values: Iterable[float]) -> Point:
    """As `padded`, for a logarithmic axis."""
    low, high = padded(map(math.log10, values))
    return 10**low, 10**high


def all_whole(values: Iterable[float]) -> bool:
    """Counts, such as steps: nothing is between them."""
    return all(float(value).is_integer() for value in values)
