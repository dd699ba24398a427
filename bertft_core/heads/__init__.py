"""Task heads: one file per task type, chosen by the head's `kind`. See `head.Head` for what a head consists of."""

from bertft_core.heads import (
    classification,
    masked_lm,
    multi_label,
    question_answering,
    regression,
    token_classification,
)
from bertft_core.heads.head import Head

HEADS: dict[str, Head] = {
    "classification": classification.HEAD,
    "multi_label": multi_label.HEAD,
    "regression": regression.HEAD,
    "token_classification": token_classification.HEAD,
    "question_answering": question_answering.HEAD,
    "masked_lm": masked_lm.HEAD,
}
"""Kind → head."""
