"""Waiting for what other threads, processes and machines do: as long as it takes, and no longer than is said."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

Found = TypeVar("Found")

PATIENCE_SECONDS = 180.0
"""Far more than anything takes that tests wait for, also on a busy machine."""


def until(
    condition: Callable[[], Found],
    what: str = "what was to happen",
    seconds: float = PATIENCE_SECONDS,
    *,
    every: float = 0.02,
    told: Callable[[], object] = str,
) -> Found:
    """Wait for something true, and give it; where it does not come, fail with `what` and what is `told` then."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}\n{told()}"
        time.sleep(every)
    return found


def becomes(condition: Callable[[], Any], seconds: float, *, every: float = 0.05) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
