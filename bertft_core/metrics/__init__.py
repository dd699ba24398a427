"""Scores of predictions, one module for each kind of head. numpy only; imports no torch."""

from types import ModuleType

from bertft_core.metrics import classification

METRICS: dict[str, ModuleType] = {"classification": classification}
"""Kind of the head → its module: `compute`, `majority` and `confusion`."""
