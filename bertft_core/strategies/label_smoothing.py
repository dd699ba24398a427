"""Label smoothing: the right answer gets a probability below one, and all answers share the rest.

Source:   Szegedy et al. 2016, section 7: (1−ε)·q(k) + ε/K.
Touches:  the training loss. The reported validation loss is not smoothed.
Neutral:  epsilon = 0.
Order:    does not matter.
Limits:   in question answering the tokens of the window share the rest; in multi_label a target t becomes (1−ε)·t + ε/2.
"""

from dataclasses import replace

from bertft_core.config.strategy_settings import LabelSmoothing
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: LabelSmoothing) -> None:
    """Smooth the targets."""
    plan.losses = replace(plan.losses, label_smoothing=config.epsilon)
