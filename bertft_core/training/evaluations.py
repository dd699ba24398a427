"""What follows an evaluation of a run: the scores, which one is the best, when training stops, and the mean of the weights.

The predictions of the best and the latest evaluation are kept, since the run ends with them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.metrics import METRICS
from bertft_core.records import RunSpec
from bertft_core.strategies.plan import StopRule
from bertft_core.training import weights
from bertft_core.training.checkpoint import Position
from bertft_core.training.confidences import ConfidenceLog
from bertft_core.training.model_runner import ModelRunner


class Validated(NamedTuple):
    """Validation of some weights."""

    metrics: dict[str, float]
    loss: float
    """The head's loss per target, not shaped by any strategy; in nats, except for regression."""


class Validation:
    """The validation set, scored with the current weights."""

    def __init__(self, spec: RunSpec, runner: ModelRunner, split: PreparedSplit, train: PreparedSplit) -> None:
        """`train` is predicted too where the spec asks for it."""
        self._spec, self._runner, self._split = spec, runner, split
        self._train = train if spec.training.evaluate_train else None
        self.confidences = ConfidenceLog(spec, {"validation": split, "train": train})
        self._predictions: dict[int, pa.Table] = {}

    def of(self, step: int, best_step: int | None) -> Validated | None:
        """Metrics and loss after `step`, or None when the logits are not finite; `best_step` is the best one so far."""
        losses: list[tuple[float, int]] = []
        predictions = self._runner.predict(self._split, losses)
        if predictions is None:
            return None
        self._predictions = {kept: t for kept, t in self._predictions.items() if kept == best_step} | {step: predictions}
        self.confidences.add("validation", step, predictions)
        if self._train is not None:
            self.confidences.add("train", step, self._runner.predict(self._train))
        return self._scored(predictions, losses)

    def untrained(self) -> Validated | None:
        """Metrics and loss before the first step; nothing of it is kept, as it is never the best one."""
        losses: list[tuple[float, int]] = []
        predictions = self._runner.predict(self._split, losses)
        return None if predictions is None else self._scored(predictions, losses)

    def _scored(self, predictions: pa.Table, losses: list[tuple[float, int]]) -> Validated:
        metrics, labels = METRICS[self._spec.head.kind], self._spec.labels
        loss = sum(part for part, _ in losses) / max(1, sum(n for _, n in losses))
        return Validated(metrics.compute(predictions, labels, **metrics.tune(predictions, labels)), loss)

    def predictions_of(self, step: int | None) -> pa.Table | None:
        """The predictions with the model's weights, which are those of `step`; computed again after a resume."""
        known = None if step is None else self._predictions.get(step)
        return self._runner.predict(self._split) if known is None else known


class EarlyStopper:
    """Which evaluation is the best so far, and whether training should stop: pure rules over a run's position."""

    def __init__(self, spec: RunSpec, stopping: StopRule | None) -> None:
        self._metric, self._stopping = spec.metric, stopping
        self._watched = stopping.metric if stopping is not None and stopping.metric is not None else spec.metric
        directions = spec.head.metrics
        self._sign = 1.0 if directions[self._watched] == "maximize" else -1.0
        self._score_sign = 1.0 if directions[spec.metric] == "maximize" else -1.0
        self._prune_below = spec.prune_below

    def absent_of(self, metrics: dict[str, float]) -> str | None:
        """The metric that chooses between evaluations and has no value, such as a perplexity that overflows."""
        return next((name for name in (self._watched, self._metric) if name not in metrics), None)

    def changes(self, position: Position, metrics: dict[str, float], step: int) -> dict[str, Any]:
        """The changes of the position by an evaluation after `step`; `best_step` is among them if it is the best one."""
        watched = metrics[self._watched]
        rise = math.inf if position.best_watched is None else self._sign * (watched - position.best_watched)
        min_delta = 0.0 if self._stopping is None else self._stopping.min_delta
        changes: dict[str, Any] = {"n_without_rise": 0 if rise > min_delta else position.n_without_rise + 1}
        if rise > 0:
            changes |= {"best_step": step, "best_score": metrics[self._metric], "best_watched": watched}
        return changes

    def is_hopeless(self, position: Position, score: float) -> bool:
        """Whether `score`, the study's metric, is worse at the last evaluation than the search allows."""
        threshold = self._prune_below.get(len(position.evaluations) - 1)
        return threshold is not None and self._score_sign * (score - threshold) < 0

    def is_enough(self, position: Position) -> bool:
        """Whether the patience of early stopping is used up."""
        return self._stopping is not None and position.n_without_rise >= self._stopping.patience


class WeightAverage:
    """The running mean of the weights after the last `n` of the evaluation steps; with n = 1 there is nothing to collect."""

    def __init__(self, evaluation_steps: Sequence[int], n: int) -> None:
        self._steps = tuple(evaluation_steps[-n:]) if n > 1 else ()
        self.mean: dict[str, Tensor] = {}
        """Name → mean so far, on the CPU."""

    @torch.no_grad()
    def add(self, step: int, parameters: Mapping[str, Tensor]) -> None:
        """Add the weights after `step`, if it is one of the last evaluations."""
        if step not in self._steps:
            return
        if step == self._steps[0]:
            self.mean = weights.copy_of(parameters)
            return
        n = self._steps.index(step) + 1
        for name, values in weights.copy_of(parameters).items():
            self.mean[name] += (values - self.mean[name]) / n

    def is_complete(self, step: int) -> bool:
        """`step` was the last one to add."""
        return bool(self._steps) and step == self._steps[-1]
