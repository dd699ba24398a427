"""Ways of fine-tuning: one file each, chosen by `kind` and applied in the order of the arm.

Each module offers `apply(setup, config)`, which changes what it names in the `Setup` and nothing more.
"""

from types import ModuleType

from bertft_core.strategies import feature_extraction, full

STRATEGIES: dict[str, ModuleType] = {"full": full, "feature_extraction": feature_extraction}
"""Kind of the strategy → its module."""
