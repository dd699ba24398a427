"""Validation in the middle of training; the logits of the best and the latest one are kept, for the run ends with them."""

from __future__ import annotations

import numpy as np

from bertft_core.data.prepared import PreparedSplit
from bertft_core.metrics import METRICS
from bertft_core.records import RunSpec
from bertft_core.training.forward import Forward


class Validation:
    """The metrics of the validation set with the weights of the moment."""

    def __init__(self, spec: RunSpec, forward: Forward, split: PreparedSplit) -> None:
        self._spec, self._forward, self._split = spec, forward, split
        self._logits: dict[int, np.ndarray] = {}

    def metrics(self, step: int, best_step: int | None) -> dict[str, float] | None:
        """Every metric after `step`, or None when the logits are not finite; `best_step` is the best one until now."""
        logits = self._forward.evaluate(self._split).numpy()
        if not np.isfinite(logits).all():
            return None
        self._logits = {kept: values for kept, values in self._logits.items() if kept == best_step} | {step: logits}
        return METRICS[self._spec.head.kind].compute(logits, self._split.labels, self._spec.labels)

    def logits_of(self, step: int | None) -> np.ndarray:
        """The logits [n, classes] with the model's weights, which are those of `step`; computed again after a resume."""
        known = None if step is None else self._logits.get(step)
        return self._forward.evaluate(self._split).numpy() if known is None else known
