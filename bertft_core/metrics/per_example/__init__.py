"""Per-example statistics: metrics as functions of sums over examples, which resampling of examples starts from."""

from bertft_core.metrics.per_example import (
    classification,
    masked_lm,
    multi_label,
    question_answering,
    regression,
    token_classification,
)

__all__ = ["classification", "masked_lm", "multi_label", "question_answering", "regression", "token_classification"]
