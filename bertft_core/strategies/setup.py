"""What strategies may change before the first step."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn
from transformers import PreTrainedModel


@dataclass
class Setup:
    """A model about to be fine-tuned."""

    model: PreTrainedModel
    """Parameters with `requires_grad` learn."""
    resting: list[nn.Module] = field(default_factory=list)
    """Modules that stay in evaluation mode, so without dropout, while the rest trains."""

    @property
    def encoder(self) -> nn.Module:
        """The pre-trained part."""
        return self.model.base_model

    def train_mode(self) -> None:
        """Put the model in training mode, but for what rests."""
        self.model.train()
        for module in self.resting:
            module.eval()

    @property
    def encoder_is_constant(self) -> bool:
        """The encoder gives the same output for the same input throughout the run."""
        return any(module is self.encoder for module in self.resting) and not any(
            parameter.requires_grad for parameter in self.encoder.parameters()
        )
