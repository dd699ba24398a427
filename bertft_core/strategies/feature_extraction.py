"""Feature extraction: the encoder is frozen and in evaluation mode; only the head learns.

Source:   Peters et al. 2019, "To Tune or Not to Tune?".
Touches:  requires_grad and mode of the encoder (BERT's pooler is part of it).
Neutral:  none; an arm without it is full fine-tuning.
Order:    does not matter; strategies that would change the encoder are refused.
Limits:   the head sees the same features in every epoch, without dropout inside the encoder.
"""

from bertft_core.config.strategy_settings import FeatureExtraction
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: FeatureExtraction) -> None:
    """Freeze the encoder in evaluation mode."""
    plan.encoder.requires_grad_(False)
    plan.eval_mode_modules.append(plan.encoder)
