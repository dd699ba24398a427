"""Legacy Adam: the optimizer of the original BERT fine-tuning code, for studies of its instability.

Source:   Devlin et al. 2019 (BertAdam of their code, without bias correction); what that does: Mosbach et al. 2021, section 5,
          and Zhang et al. 2021, section 4.
Touches:  the optimizer.
Neutral:  none; an arm without it has AdamW, which corrects the bias of its moments.
Order:    does not matter.
Limits:   without bias correction the first steps are up to three times as large. The published code has adam_epsilon 1e-6; here
          it is that of training. `bias_correction: true` is the later version of that code, with the decay after the update.
"""

import math
from collections.abc import Callable
from typing import Any

import torch

from bertft_core.config.strategy_settings import LegacyAdam
from bertft_core.strategies.plan import FinetuningPlan, Groups


def apply(plan: FinetuningPlan, config: LegacyAdam) -> None:
    """Replace the optimizer."""

    def build(groups: Groups) -> torch.optim.Optimizer:
        return BertAdam(groups, bias_correction=config.bias_correction)

    plan.optimizer = build


class BertAdam(torch.optim.Optimizer):
    """Adam with decoupled weight decay; `groups` carry lr, betas, eps and weight_decay.

    Without bias correction w ← w − lr·(m/(√v + eps) + weight_decay·w). With it w ← w − lr·√(1−β2^t)/(1−β1^t)·m/(√v + eps), and
    then w ← w − lr·weight_decay·w.
    """

    def __init__(self, groups: Groups, *, bias_correction: bool) -> None:
        super().__init__(groups, {})
        self._corrected = bias_correction

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        (beta1, beta2), rate, decay, step = group["betas"], group["lr"], group["weight_decay"], int(state["step"])
        state["exp_avg"].mul_(beta1).add_(parameter.grad, alpha=1 - beta1)
        state["exp_avg_sq"].mul_(beta2).addcmul_(parameter.grad, parameter.grad, value=1 - beta2)
        update = state["exp_avg"] / (state["exp_avg_sq"].sqrt() + group["eps"])
        if self._corrected:
            parameter.sub_(update, alpha=rate * math.sqrt(1 - beta2**step) / (1 - beta1**step))
            parameter.sub_(parameter, alpha=rate * decay)
        else:
            parameter.sub_(update.add_(parameter, alpha=decay), alpha=rate)
