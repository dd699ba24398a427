"""Random draws that all pairs of a study share: kept while its arms are compared, too large to be kept beyond it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar, cast

Draw = TypeVar("Draw", bound=Callable[..., Any])

_CACHES: list[Callable[[], None]] = []


def kept_draws(maxsize: int) -> Callable[[Draw], Draw]:
    """Decorator: the last `maxsize` results are given again for the same arguments, and must not be written to."""

    def kept(draw: Draw) -> Draw:
        cached = lru_cache(maxsize)(draw)
        _CACHES.append(cached.cache_clear)
        return cast("Draw", cached)

    return kept


def forget_draws() -> None:
    """Give up all that is kept: of two arms of 200 seeds, 35 MiB."""
    for clear in _CACHES:
        clear()
