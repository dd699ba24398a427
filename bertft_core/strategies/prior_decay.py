"""Prior decay: the encoder's weights decay towards their starting values, independently of the gradient.

Source:   Chelba & Acero 2004; as used by Zhang et al. 2021, section 6: w ← w − η·λ·(w − w_start) before each update.
Touches:  the encoder's weights that weight decay applies to (so no biases and layer norms), pooler included.
Neutral:  rate = 0.
Order:    does not matter: layers that reinit redraws decay towards their new start.
Limits:   training.weight_decay still applies; set it to 0 for this method alone. The head does not decay towards its start.
"""

import torch

from bertft_core.config.strategy_settings import PriorDecay
from bertft_core.strategies.plan import FinetuningPlan, Rates, start_of


def apply(plan: FinetuningPlan, config: PriorDecay) -> None:
    """Decay towards the start before each update."""
    if config.rate == 0.0:
        return
    prefix = plan.model.base_model_prefix + "."
    decaying = {
        name: parameter
        for name, parameter in plan.model.named_parameters()
        if name.startswith(prefix) and name in plan.context.weight_decayed
    }
    start = start_of(list(decaying.items()))

    @torch.no_grad()
    def decay(rates: Rates) -> None:
        for name, parameter in decaying.items():
            if parameter.grad is not None:  # frozen parameters stay
                parameter.sub_(parameter - start[name], alpha=rates(name) * config.rate)

    plan.before_update.append(decay)
