"""How far fine-tuning moved the weights of each layer from those it started with.

L2 drift is ‖W - W₀‖ over all weights of a depth, relative L2 drift the same divided by ‖W₀‖; in float64. Layers that a strategy
re-initialised count as moved. The pooler is left out: not every head has one.
"""

import math
from collections import defaultdict
from typing import Any

from bertft_core.config import UserError
from bertft_core.records.probe_record import LayerDrift
from bertft_core.strategies.architecture import Architecture
from bertft_core.training.probing.encoders import Absent, shared_weights


def drift(pretrained: Any, finetuned: Any) -> tuple[LayerDrift, ...]:
    """From the embeddings upwards. Raises `Absent` for a family whose layers are unknown."""
    places, names = depths_of(finetuned)
    start = shared_weights(finetuned, pretrained)
    moved: dict[int, float] = defaultdict(float)
    whole: dict[int, float] = defaultdict(float)
    for name, values in finetuned.named_parameters():
        if name in start:
            moved[places[name]] += float((values.detach().double() - start[name].double()).square().sum())
            whole[places[name]] += float(start[name].double().square().sum())
    return tuple(
        LayerDrift(where=where, l2=math.sqrt(moved[i]), relative_l2=math.sqrt(moved[i] / whole[i]) if whole[i] else None)
        for i, where in enumerate(names)
        if i in moved
    )


def depths_of(encoder: Any) -> tuple[dict[str, int], list[str]]:
    """Parameter name in a bare encoder → its depth, and the names of the depths 0 (embeddings) … L. Raises `Absent` as above."""
    architecture = Architecture(_Alone(encoder))
    try:
        depths, names = architecture.depths(), architecture.depth_names()[:-1]
    except UserError as error:
        raise Absent("not probed", detail=error.problem) from None
    prefix = encoder.base_model_prefix + "."
    return {name.removeprefix(prefix): depth for name, depth in depths.items()}, names


class _Alone:
    """A bare encoder as `Architecture` reads a model with a head."""

    def __init__(self, encoder: Any) -> None:
        self.base_model, self.config = encoder, encoder.config
        self.base_model_prefix = encoder.base_model_prefix

    def named_parameters(self) -> Any:
        return ((f"{self.base_model_prefix}.{name}", values) for name, values in self.base_model.named_parameters())
