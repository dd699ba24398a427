"""Gradual unfreezing: first the head learns, then layer after layer joins from the top, the embeddings last.

Source:   Howard & Ruder 2018, section 3.3.
Touches:  from which step on each parameter learns.
Neutral:  every_epochs = 0 (or every_steps = 0): everything thaws before the first step.
Order:    does not matter.
Limits:   the pooler thaws with the head. What is frozen costs no backward pass and has no weight decay; its Adam moments begin
          when it thaws. The learning-rate schedule does not start again. Layers that freezing names never thaw. Epochs are
          those of the training set as it is, also beside oversampling, whose own are longer: then count in every_steps.
"""

from __future__ import annotations

from bertft_core.config.strategy_settings import GradualUnfreezing
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: GradualUnfreezing) -> None:
    """Say from which step on each parameter learns."""
    every = config.every_steps
    if every is None:
        assert config.every_epochs is not None
        every = round(config.every_epochs * plan.context.steps_per_epoch)
    n_layers, depths = plan.architecture.n_layers, plan.architecture.depths()
    for name, parameter in plan.model.named_parameters():
        below_the_head = n_layers + 1 - depths[name]
        n_thaws = -(-below_the_head // config.layers)
        if parameter.requires_grad and n_thaws * every:
            plan.unfreeze_step[name] = n_thaws * every
