"""The running mean of the weights at the last evaluations of a run."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from bertft_core.training import weights


class WeightAverage:
    """Collects weights after the last `n` of the evaluation steps; with n = 1 there is nothing to collect."""

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
