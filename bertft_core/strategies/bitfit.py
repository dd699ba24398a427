"""BitFit: of the encoder only the biases learn, and with them the head.

Source:   Ben Zaken, Goldberg & Ravfogel 2022, "BitFit: Simple Parameter-efficient Fine-tuning for Transformer-based Masked
          Language-models" (2021 on arXiv).
Touches:  requires_grad of everything in the encoder that is no bias.
Neutral:  none; an arm without it is full fine-tuning.
Order:    applied before freezing and gradual_unfreezing, which choose among the biases.
Limits:   the biases of layer norms learn too, and that of the encoder's pooler, as in the code of the paper. A pooler that the
          checkpoint lacks learns as the head does: it would stay random. Encoders without biases in their layers are refused.
          It wants a learning rate about ten times that of full fine-tuning (the paper tries 1e-4 to 1e-3).
"""

from bertft_core.config.strategy_settings import BitFit
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: BitFit) -> None:
    """Freeze the encoder but for its biases."""
    plan.freeze_encoder(but=lambda name: name.endswith("bias"))
