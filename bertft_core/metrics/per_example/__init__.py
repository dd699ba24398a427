"""What every example adds to every metric, one module for each kind of head: what resampling of examples starts from."""

from types import ModuleType

from bertft_core.metrics.per_example import (
    classification,
    masked_lm,
    multi_label,
    question_answering,
    regression,
    token_classification,
)

PER_EXAMPLE: dict[str, ModuleType] = {
    "classification": classification,
    "multi_label": multi_label,
    "regression": regression,
    "token_classification": token_classification,
    "question_answering": question_answering,
    "masked_lm": masked_lm,
}
"""Kind of the head → its module.

`statistics` gives every metric of its module in `METRICS`, `SEEDS_ONLY` names those that cannot be resampled over examples and
why, `right` says which examples are answered right, and `UNIT` is the word for one example.
"""
