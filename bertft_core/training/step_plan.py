"""Which examples each optimizer step sees and after which steps the model is validated: arithmetic, known before training."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bertft_core.config.training_settings import TrainingConfig
from bertft_core.data.batching import epoch_order

if TYPE_CHECKING:  # strategies import torch, which a plan does not need
    from bertft_core.strategies.plan import Sampling


@dataclass
class StepPlan:
    """The steps of one run over `n_examples` training examples."""

    n_examples: int
    training: TrainingConfig
    order_seed: int
    sampling: Sampling | None = None
    _orders: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def n_per_epoch(self) -> int:
        """Examples seen in an epoch."""
        chosen = None if self.sampling is None else self.sampling.n_pool
        return self.n_examples if chosen is None else chosen

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps per epoch; the last one of an epoch may hold fewer examples."""
        return math.ceil(self.n_per_epoch / self.training.batch_size)

    @property
    def n_steps(self) -> int:
        """Optimizer steps in all."""
        if self.training.max_steps is not None:
            return self.training.max_steps
        assert self.training.epochs is not None
        return max(1, math.ceil(self.training.epochs * self.steps_per_epoch - 1e-9))

    @property
    def evaluation_steps(self) -> tuple[int, ...]:
        """Step counts after which the model is validated; always the last one too."""
        n_full = int(self.n_steps / self.steps_per_evaluation + 1e-9)
        steps = {max(1, round(k * self.steps_per_evaluation)) for k in range(1, n_full + 1)}
        return tuple(sorted(steps | {self.n_steps}))

    @property
    def steps_per_evaluation(self) -> float:
        """Steps between two validations, at least one."""
        if self.training.evaluate_every_steps is not None:
            return self.training.evaluate_every_steps
        if self.training.evaluate_every_epochs is not None:
            return max(1.0, self.training.evaluate_every_epochs * self.steps_per_epoch)
        return self.n_steps

    def epoch(self, step: int) -> float:
        """Passes over the training set after `step` steps."""
        return step / self.steps_per_epoch

    def indices(self, step: int) -> np.ndarray:
        """Training examples of step `step` (from 0)."""
        epoch, place = divmod(step, self.steps_per_epoch)
        size = self.training.batch_size
        return self._order(epoch)[place * size : (place + 1) * size]

    def _order(self, epoch: int) -> np.ndarray:
        """All examples of an epoch in their order; only the last epoch asked for is cached."""
        if epoch not in self._orders:
            how = () if self.sampling is None else (self.sampling.pool, self.sampling.arrange)
            self._orders = {epoch: epoch_order(self.n_examples, self.order_seed, epoch, *how)}
        return self._orders[epoch]

    def order_digests(self, n_steps: int) -> tuple[str, ...]:
        """SHA-256 of the order of every epoch begun in the first `n_steps` steps: its examples as little-endian int64."""
        epochs = range(math.ceil(n_steps / self.steps_per_epoch))
        return tuple(hashlib.sha256(self._order(epoch).astype("<i8").tobytes()).hexdigest() for epoch in epochs)

    def micro_batches(self, step: int) -> list[np.ndarray]:
        """The examples of a step in the microbatches of its forward passes."""
        indices = self.indices(step)
        size = self.training.micro_batch_size or len(indices)
        return [indices[i : i + size] for i in range(0, len(indices), size)]
