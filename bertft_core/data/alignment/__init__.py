"""From examples to what a head learns from: one file per task type. See `alignment.Alignment` for what each consists of."""

from bertft_core.data.alignment import (
    classification,
    masked_lm,
    multi_label,
    question_answering,
    regression,
    token_classification,
)
from bertft_core.data.alignment.alignment import Alignment

ALIGNMENTS: dict[str, Alignment] = {
    "classification": classification.ALIGNMENT,
    "multi_label": multi_label.ALIGNMENT,
    "regression": regression.ALIGNMENT,
    "token_classification": token_classification.ALIGNMENT,
    "question_answering": question_answering.ALIGNMENT,
    "masked_lm": masked_lm.ALIGNMENT,
}
"""Kind of the head → its alignment."""
