"""Task heads: one file per task type, chosen by the head's `kind`.

Each module offers `build` (the `AutoModelFor…` with a fresh head), `head_inputs` (what the encoder reads for some examples),
`head_forward` (the part of the model behind the encoder, so that the encoder can be run without padding or only once; None for a
family whose parts are not known), `loss_sum`, `outputs` (a row for each example) and `predictions` (the table of all rows).
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from bertft_core.heads import (
    classification,
    frequencies,
    masked_lm,
    multi_label,
    question_answering,
    regression,
    target_scaling,
    token_classification,
)

HEADS: dict[str, ModuleType] = {
    "classification": classification,
    "multi_label": multi_label,
    "regression": regression,
    "token_classification": token_classification,
    "question_answering": question_answering,
    "masked_lm": masked_lm,
}
"""Kind of the head → its module."""
TAKE_FROM_TRAIN: dict[str, Callable[[Any, Any], None]] = {
    "regression": target_scaling.standardise,
    "masked_lm": frequencies.start_from_frequencies,
}
"""Kind of the head → what its fresh model is told of the training set, before the first step."""
