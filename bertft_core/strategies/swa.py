"""Weight averaging: the final weights are the mean of those at the last evaluations.

Source:   Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization".
Touches:  the weights after the last step, which are then validated as the last evaluation.
Neutral:  last = 1.
Order:    does not matter.
Limits:   the learning rate follows its schedule; for rates that stay high use schedule: constant. Training is
          unchanged until the last step. With fewer evaluations than `last` all are averaged; a study whose runs have a single
          one is refused. Not with early stopping, which does not know the last evaluations in advance.
"""

from bertft_core.config.strategy_settings import WeightAveraging
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: WeightAveraging) -> None:
    """Average the weights of the last evaluations."""
    plan.n_averaged = config.last
