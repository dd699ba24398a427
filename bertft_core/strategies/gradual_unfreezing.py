"""Gradual unfreezing: the head learns first, then layer after layer from the top, the embeddings last.

Source:   Howard & Ruder 2018, section 3.3.
Touches:  the step from which each parameter learns.
Neutral:  every_epochs = 0 (or every_steps = 0): everything is unfrozen before the first step.
Order:    does not matter.
Limits:   the pooler is unfrozen with the head. What is frozen costs no backward pass and has no weight decay; its Adam moments
          start when it is unfrozen. The learning-rate schedule does not restart. Layers named by freezing stay frozen. Epochs
          are those of the training set before oversampling, which makes them longer: then use every_steps.
"""

from bertft_core.config.strategy_settings import GradualUnfreezing
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: GradualUnfreezing) -> None:
    """Set the step from which each parameter learns."""
    every = config.n_steps(plan.context.steps_per_epoch)
    n_layers, depths = plan.architecture.n_layers, plan.architecture.depths()
    for name, parameter in plan.model.named_parameters():
        below_the_head = n_layers + 1 - depths[name]
        n_before = -(-below_the_head // config.layers)
        if parameter.requires_grad and n_before * every:
            plan.unfreeze_step[name] = n_before * every
