"""Early stopping: training ends when a validation metric has stopped improving, and the best weights are restored.

Source:   Prechelt 1998, "Early Stopping — But When?" (the patience form).
Touches:  the last step, and by which metric the best checkpoint is chosen.
Neutral:  a patience that no run exhausts.
Order:    does not matter.
Limits:   the learning rate decays as if the run reached its planned end. The best score is still that of the study's metric, at
          the step where the watched one was best. An improvement below min_delta still moves the best checkpoint.
"""

from bertft_core.config.strategy_settings import EarlyStopping
from bertft_core.strategies.plan import FinetuningPlan, StopRule


def apply(plan: FinetuningPlan, config: EarlyStopping) -> None:
    """Set the rule for stopping."""
    plan.stopping = StopRule(config.patience, config.min_delta, config.metric)
