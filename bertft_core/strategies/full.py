"""Full fine-tuning: every parameter learns.

Source:   Devlin et al. 2019, section 3.2.
Touches:  nothing; a loaded model learns like this.
Neutral:  always.
Order:    does not matter.
Limits:   none.
"""

from bertft_core.config.strategy_settings import Full
from bertft_core.strategies.plan import FinetuningPlan


def apply(plan: FinetuningPlan, config: Full) -> None:
    """Leave everything as it is."""
