"""Curves of two runs, step by step: the first step at which each quantity differs."""

from pathlib import Path
from typing import Any

from bertft_core.storage.curve_lines import curve_events

QUANTITIES = ("loss", "learning_rate", "grad_norm")
"""The values of a step that are compared."""
DIVERGING = ("loss", "grad_norm")
"""Those that show that two runs have diverged; the learning rate is a setting."""

Event = dict[str, Any]


def read_steps(path: Path) -> list[Event]:
    """The optimizer steps in a `curves.jsonl`, without the evaluations."""
    return [event for event in curve_events(path) if event.get("kind") == "step"]


def first_differences(left: list[Event], right: list[Event]) -> dict[str, int | None]:
    """Quantity → the first step at which it differs or only one run has it; None where it never does."""
    steps = [{event["step"]: event for event in events if event.get("kind") == "step"} for events in (left, right)]
    numbers = sorted(steps[0].keys() | steps[1].keys())
    absent: Event = {}

    def first(name: str) -> int | None:
        pairs = ((n, *(of_run.get(n, absent).get(name, absent) for of_run in steps)) for n in numbers)
        return next((n for n, a, b in pairs if a != b), None)

    return {name: first(name) for name in QUANTITIES}


def first_diverging_step(left: list[Event], right: list[Event]) -> int | None:
    """The first step at which the loss or the gradient norm differs."""
    found = first_differences(left, right)
    return min((step for name in DIVERGING if (step := found[name]) is not None), default=None)
