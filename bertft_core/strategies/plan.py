"""What strategies may change before the first step, and what they know of the run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from bertft_core.loss_shapes import PLAIN, LossShape
from bertft_core.strategies.architecture import Architecture

Groups = list[dict[str, Any]]
"""Parameter groups of an optimizer."""
Rates = Callable[[str], float]
"""Name of a parameter → its learning rate in this step."""


@dataclass(frozen=True)
class TrainContext:
    """What a strategy may know of the run before it starts."""

    init_seed: int = 0
    steps_per_epoch: int = 1
    weight_decayed: frozenset[str] = frozenset()
    """Names of the parameters that weight decay applies to."""
    fresh_head: bool = True
    """The head was drawn from the init stream; False where its weights may come from the checkpoint."""
    fresh_pooler: bool = False
    """The checkpoint has no pooler, so that of the encoder, if it has one, was drawn from the init stream."""
    labels: tuple[str, ...] = ()
    label_counts: np.ndarray | None = None
    """[labels]: training examples, or words, or positive examples, with each label; None for a head without classes."""
    n_targets_per_label: int = 0
    """Only where every example is a target of every label (multi_label)."""
    classes: np.ndarray | None = None
    """[n]: class of each training example; None where examples do not have one class each."""


@dataclass
class Sampling:
    """Which examples an epoch has and in which order; both are drawn from the epoch's generator of the order stream."""

    pool: Callable[[np.random.Generator], np.ndarray] | None = None
    """Indices of the examples of an epoch, some of them several times."""
    n_pool: int | None = None
    arrange: Callable[[np.random.Generator, np.ndarray], np.ndarray] | None = None
    """Orders the indices of an epoch; by default they are permuted."""


@dataclass
class Rehearsal:
    """Raw texts that are read in every step beside the examples."""

    share: float
    """Of the batch size."""
    weight: float
    """Of their masked-LM loss in the loss of the step."""


@dataclass
class StopRule:
    """When training ends before its last step."""

    patience: int
    min_delta: float
    metric: str | None
    """None for the metric of the study."""


@dataclass
class FinetuningPlan:
    """A model about to be fine-tuned."""

    model: PreTrainedModel
    """Parameters with `requires_grad` after all strategies learn, at once or later."""
    context: TrainContext = TrainContext()
    eval_mode_modules: list[nn.Module] = field(default_factory=list)
    """Modules that stay in evaluation mode, so without dropout, while the rest trains."""
    lr_multipliers: dict[str, float] = field(default_factory=dict)
    """Name of a parameter → factor on its learning rate; 1 where absent."""
    unfreeze_step: dict[str, int] = field(default_factory=dict)
    """Name of a parameter → the step (from 0) from which it learns; 0 where absent."""
    before_update: list[Callable[[Rates], None]] = field(default_factory=list)
    """Called before each update of the optimizer."""
    optimizer: Callable[[Groups], torch.optim.Optimizer] | None = None
    """Builds another optimizer than AdamW from its groups, which carry every setting of AdamW."""
    losses: LossShape = PLAIN
    """How the loss of a target is shaped; by default it is the head's own."""
    sampling: Sampling = field(default_factory=Sampling)
    rehearsal: Rehearsal | None = None
    stopping: StopRule | None = None
    n_averaged: int = 1
    """Number of last evaluations whose weights are averaged into the final ones."""
    _has_trained: bool = field(default=False, init=False)

    @property
    def encoder(self) -> nn.Module:
        """The pre-trained part."""
        return self.model.base_model

    @cached_property
    def architecture(self) -> Architecture:
        """The layers of the encoder; raises `UserError` for an unknown family."""
        return Architecture(self.model)

    @cached_property
    def learning(self) -> dict[str, nn.Parameter]:
        """Name → every parameter that learns at some point of the run; read it after all strategies are applied."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def freeze_encoder(self, *, but: Callable[[str], bool]) -> None:
        """Only those parameters of the encoder learn whose name `but` accepts, and a pooler that was not pre-trained."""
        prefix = self.model.base_model_prefix + "."
        for name, parameter in self.model.named_parameters():
            is_new = self.context.fresh_pooler and name.startswith(f"{prefix}pooler.")
            if name.startswith(prefix) and not is_new and not but(name):
                parameter.requires_grad_(False)

    def train_mode(self, step: int) -> None:
        """Training mode for a step (from 0), except in `eval_mode_modules`; what is not yet unfrozen needs no gradient."""
        if not (self._has_trained and self.model.training):  # an evaluation came between; going through all modules takes time
            self.model.train()
            for module in self.eval_mode_modules:
                module.eval()
            self._has_trained = True
        for name, first in self.unfreeze_step.items():
            self.learning[name].requires_grad_(step >= first)

    @property
    def encoder_is_constant(self) -> bool:
        """The encoder gives the same output for the same input throughout the run."""
        return any(module is self.encoder for module in self.eval_mode_modules) and not any(
            parameter.requires_grad for parameter in self.encoder.parameters()
        )


class Strategy(Protocol):
    """A way of fine-tuning. Each is a module, whose docstring is its card."""

    __doc__: str | None

    def apply(self, plan: FinetuningPlan, config: Any) -> None:
        """Change the plan as the strategy's section of the arm says."""


def start_of(named: Sequence[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """Copies of the weights a run starts from."""
    return {name: values.detach().clone() for name, values in named}
