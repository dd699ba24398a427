"""Freezing: the embeddings and the lowest layers keep their pre-trained weights.

Source:   Lee, Tang & Lin 2019, "What Would Elsa Do? Freezing Layers During Transformer Fine-Tuning".
Touches:  requires_grad of the embeddings and of the lowest n layers.
Neutral:  layers = 0, embeddings = false.
Order:    does not matter.
Limits:   dropout inside frozen layers stays on, so their outputs still vary. In masked language modelling the vocabulary layer
          shares its weights with the embeddings and is frozen with them. A frozen layer costs no backward pass.
"""

from bertft_core.config.strategy_settings import Freezing
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: Freezing) -> None:
    """Freeze what the configuration names."""
    frozen = set(range(1, config.layers + 1)) | ({0} if config.embeddings else set())
    depths = plan.architecture.depths()
    for name, parameter in plan.model.named_parameters():
        if depths[name] in frozen:
            parameter.requires_grad_(False)
