"""Which evaluation is the best so far, and whether training should stop: pure rules over a run's position."""

import math
from typing import Any

from bertft_core.records import RunSpec
from bertft_core.strategies.plan import StopRule
from bertft_core.training.checkpoint import Position


class EarlyStopper:
    """The rules of one run."""

    def __init__(self, spec: RunSpec, stopping: StopRule | None) -> None:
        self._metric, self._stopping = spec.metric, stopping
        self._watched = stopping.metric if stopping is not None and stopping.metric is not None else spec.metric
        directions = spec.head.metrics
        self._sign = 1.0 if directions[self._watched] == "maximize" else -1.0
        self._score_sign = 1.0 if directions[spec.metric] == "maximize" else -1.0
        self._prune_below = spec.prune_below

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
