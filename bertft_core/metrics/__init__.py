"""Scores of predictions, one module for each kind of head. numpy and pyarrow only; imports no torch."""

from types import ModuleType

from bertft_core.metrics import (
    classification,
    masked_lm,
    multi_label,
    question_answering,
    regression,
    token_classification,
)

METRICS: dict[str, ModuleType] = {
    "classification": classification,
    "multi_label": multi_label,
    "regression": regression,
    "token_classification": token_classification,
    "question_answering": question_answering,
    "masked_lm": masked_lm,
}
"""Kind of the head → its module: `compute`, `tune`, `majority` and `confusion`."""
