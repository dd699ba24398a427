"""Early stopping: training ends when a validation metric has not got better for a while, and its best weights are restored.

Source:   Prechelt 1998, "Early StopRule — But When?" (the patience form).
Touches:  the last step, and by which metric the best checkpoint is chosen.
Neutral:  a patience that no run reaches.
Order:    does not matter.
Limits:   the learning rate falls as if the run went to its planned end. The best score stays that of the study's metric, at the
          step where the watched one was best. A rise of less than min_delta still moves the best checkpoint.
"""

from __future__ import annotations

from bertft_core.config.strategy_settings import EarlyStopping
from bertft_core.strategies.plan import FinetuningPlan, StopRule


def apply(plan: FinetuningPlan, config: EarlyStopping) -> None:
    """Tell the loop what to watch."""
    plan.stopping = StopRule(config.patience, config.min_delta, config.metric)
