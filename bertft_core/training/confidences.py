"""How likely the model finds the true label of each example at every evaluation: what dataset maps are drawn from."""

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.metrics import METRICS
from bertft_core.records import RunSpec

PREFIX = "confidences/"
"""Of the tensors' names in a checkpoint: `confidences/<split>/<step>`."""


class ConfidenceLog:
    """One number for each example, split and evaluation; nothing for heads without the probability of one label."""

    def __init__(self, spec: RunSpec, splits: Mapping[str, PreparedSplit]) -> None:
        self._spec, self._splits = spec, splits
        self._found: dict[str, dict[int, Tensor]] = {}

    def add(self, split: str, step: int, predictions: pa.Table | None) -> None:
        """Add what the weights after `step` predict for all examples of a split."""
        if predictions is None:
            return
        confidence = METRICS[self._spec.head.kind].confidence(predictions, self._spec.labels, self._spec.head)
        if confidence is not None:
            self._found.setdefault(split, {})[step] = torch.from_numpy(confidence.astype(np.float32))

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps of it."""
        return {f"{PREFIX}{split}/{step}": values for split, of in self._found.items() for step, values in of.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what a checkpoint has kept; one of an older version has nothing."""
        self._found = {}
        for name in sorted((name for name in tensors if name.startswith(PREFIX)), key=lambda name: int(name.rsplit("/", 1)[1])):
            split, step = name.removeprefix(PREFIX).rsplit("/", 1)
            self._found.setdefault(split, {})[int(step)] = tensors[name]

    def table(self) -> pa.Table | None:
        """A row for each example: its split, id and confidences [evaluations]; in the metadata the `steps` of each split."""
        parts, found = [], sorted(self._found.items())
        for split, of_steps in found:
            values = torch.stack([*of_steps.values()], dim=1).numpy()
            lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1]).cast(pa.list_(pa.float32()))
            names = pa.array([split] * len(values), pa.string())
            parts.append(pa.table({"split": names, "example_id": self._splits[split].table["example_id"], "confidences": lists}))
        if not parts:
            return None
        steps = json.dumps({split: [*of_steps] for split, of_steps in found})
        return pa.concat_tables(parts).combine_chunks().replace_schema_metadata({"steps": steps})
