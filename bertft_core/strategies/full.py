"""Full fine-tuning: every parameter learns.

Source:   Devlin et al. 2019, section 3.2.
Touches:  nothing; it is what a model does when it is loaded.
Neutral:  always.
Order:    does not matter.
Limits:   none.
"""

from __future__ import annotations

from bertft_core.config.strategies import Full
from bertft_core.strategies.setup import Setup


def apply(setup: Setup, config: Full) -> None:
    """Leave everything as it is."""
