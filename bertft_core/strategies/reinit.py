"""Re-initialisation: the top layers and the pooler start from random weights instead of pre-trained ones.

Source:   Zhang et al. 2021, "Revisiting Few-sample BERT Fine-tuning", section 5.
Touches:  the starting weights of the top n layers and of the encoder's pooler.
Neutral:  layers = 0, pooler = false.
Order:    does not matter: weights are redrawn before other strategies read the starting weights.
Limits:   linear weights are N(0, initializer_range), biases 0, layer norms 1 and 0. They are drawn from the init stream, each
          layer from a generator of its own, so the head is the same as without this strategy. Families without a pooler
          inside the encoder, and heads that do not use it, have none to redraw.
"""

import torch
from torch import nn

from bertft_core.config.strategy_settings import Reinit
from bertft_core.seeds import derive_seed
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: Reinit) -> None:
    """Redraw the top layers."""
    layers = plan.architecture.layers
    chosen = {str(i): layers[i] for i in range(len(layers) - config.layers, len(layers))}
    pooler = plan.architecture.pooler
    if config.pooler and pooler is not None:
        chosen["pooler"] = pooler
    for name, module in chosen.items():
        _draw(module, plan.model.config.initializer_range, derive_seed(plan.context.init_seed, "reinit", name))


@torch.no_grad()
def _draw(module: nn.Module, std: float, seed: int) -> None:
    """The initialisation of BERT for everything inside, in the order of the modules."""
    device = next(module.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Linear):
            part.weight.copy_(torch.normal(0.0, std, part.weight.shape, generator=generator).to(device))
            if part.bias is not None:
                part.bias.zero_()
            continue
        for name, values in part.named_parameters(recurse=False):  # of norms; and DeBERTa's queries have biases of their own
            values.fill_(1.0 if name == "weight" and "Norm" in type(part).__name__ else 0.0)
