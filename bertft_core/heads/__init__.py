"""Task heads: one file per task type, chosen by the head's `kind`.

Each module offers `build` (the `AutoModelFor…` with a fresh head), `loss_sum` and `TAILS` (for the families it knows, the part
of the model behind the encoder, so that the encoder can be run without padding or only once).
"""

from types import ModuleType

from bertft_core.heads import classification

HEADS: dict[str, ModuleType] = {"classification": classification}
"""Kind of the head → its module."""
