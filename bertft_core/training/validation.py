"""Validation in the middle of training; the predictions of the best and the latest one are kept, for the run ends with them."""

from __future__ import annotations

import pyarrow as pa

from bertft_core.data.prepared import PreparedSplit
from bertft_core.metrics import METRICS
from bertft_core.records import RunSpec
from bertft_core.training.forward import Forward


class Validation:
    """The metrics of the validation set with the weights of the moment."""

    def __init__(self, spec: RunSpec, forward: Forward, split: PreparedSplit) -> None:
        self._spec, self._forward, self._split = spec, forward, split
        self._predictions: dict[int, pa.Table] = {}

    def metrics(self, step: int, best_step: int | None) -> dict[str, float] | None:
        """Every metric after `step`, or None when the logits are not finite; `best_step` is the best one until now."""
        predictions = self._forward.predict(self._split)
        if predictions is None:
            return None
        self._predictions = {kept: t for kept, t in self._predictions.items() if kept == best_step} | {step: predictions}
        metrics, labels = METRICS[self._spec.head.kind], self._spec.labels
        return metrics.compute(predictions, labels, **metrics.tune(predictions, labels))

    def predictions_of(self, step: int | None) -> pa.Table | None:
        """The predictions with the model's weights, which are those of `step`; computed again after a resume."""
        known = None if step is None else self._predictions.get(step)
        return self._forward.predict(self._split) if known is None else known
