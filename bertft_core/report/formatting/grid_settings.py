"""Settings that a grid has given an arm, as a person reads them."""

from collections.abc import Mapping
from typing import Any

from bertft_core.report.formatting import numbers


def shown(value: Any) -> str:
    """A value: `none` where the grid leaves a strategy out or a setting at its default."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {shown(each)}" for name, each in value.items()) or "on"
    return "none" if value is None else numbers.setting(value)


def values_words(values: Mapping[str, Any]) -> str:
    """'learning_rate 3e-05, strategies.llrd.decay 0.8'."""
    return ", ".join(f"{setting} {shown(value)}" for setting, value in values.items())
