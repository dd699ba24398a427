"""Layer-wise learning-rate decay: the lower the layer, the smaller the step.

Source:   Howard & Ruder 2018, section 3.2 (discriminative fine-tuning); Zhang et al. 2021, section 6.
Touches:  learning rates of parameter groups; nothing else.
Neutral:  decay = 1.0.
Order:    does not matter.
Limits:   head, pooler and top layer share the base rate: with L layers, layer l (from 0 at the bottom) learns at
          rate · decay^(L-1-l), the embeddings at rate · decay^L.
"""

from bertft_core.config.strategy_settings import LayerwiseDecay
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: LayerwiseDecay) -> None:
    """Scale the learning rate of every parameter by its depth."""
    n_layers = plan.architecture.n_layers
    for name, depth in plan.architecture.depths().items():
        plan.lr_multipliers[name] = config.decay ** max(0, n_layers - depth)
