"""Validation during training; the predictions of the best and the latest one are kept, since the run ends with them."""

from typing import NamedTuple

import pyarrow as pa

from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.metrics import METRICS
from bertft_core.records import RunSpec
from bertft_core.training.model_runner import ModelRunner


class Validated(NamedTuple):
    """Validation of some weights."""

    metrics: dict[str, float]
    loss: float
    """The head's loss per target, not shaped by any strategy; in nats, except for regression."""


class Validation:
    """The validation set, scored with the current weights."""

    def __init__(self, spec: RunSpec, runner: ModelRunner, split: PreparedSplit) -> None:
        self._spec, self._runner, self._split = spec, runner, split
        self._predictions: dict[int, pa.Table] = {}

    def of(self, step: int, best_step: int | None) -> Validated | None:
        """Metrics and loss after `step`, or None when the logits are not finite; `best_step` is the best one so far."""
        losses: list[tuple[float, int]] = []
        predictions = self._runner.predict(self._split, losses)
        if predictions is None:
            return None
        self._predictions = {kept: t for kept, t in self._predictions.items() if kept == best_step} | {step: predictions}
        metrics, labels = METRICS[self._spec.head.kind], self._spec.labels
        loss = sum(part for part, _ in losses) / max(1, sum(n for _, n in losses))
        return Validated(metrics.compute(predictions, labels, **metrics.tune(predictions, labels)), loss)

    def predictions_of(self, step: int | None) -> pa.Table | None:
        """The predictions with the model's weights, which are those of `step`; computed again after a resume."""
        known = None if step is None else self._predictions.get(step)
        return self._runner.predict(self._split) if known is None else known
