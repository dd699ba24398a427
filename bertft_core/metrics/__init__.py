"""Scores of predictions: one `TaskMetrics` for each task type. numpy and pyarrow only; imports no torch.

`METRICS` is loaded when it is first used: commands that only look at results need neither.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertft_core.metrics.every_task import METRICS

__all__ = ["METRICS"]


def __getattr__(name: str) -> Any:
    """The table of all tasks, loaded when it is first used."""
    if name != "METRICS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bertft_core.metrics.every_task import METRICS

    return globals().setdefault(name, METRICS)
