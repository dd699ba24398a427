"""Word embeddings without the rows of words that a run never reads: half of a small model's weights.

Their gradient is 0, so AdamW leaves such rows as they are, but for what is proportional to a row: decoupled weight decay, or
decay towards the start. A row of ones that no text has takes part in that, and so knows the factor of all rows that are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bertft_core.config.strategy_settings import FeatureExtraction, replay_of
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.records import RunSpec

PADDING = 0
"""What fills a packed row up."""


class UsedRows:
    """The rows of an encoder's word embeddings that splits have, in the place of all rows."""

    def __init__(self, model: Any, splits: Iterable[PreparedSplit]) -> None:
        self._embedding: nn.Embedding = model.get_input_embeddings()
        self._all = self._embedding.weight.detach()
        self.name = next(name for name, each in model.named_parameters() if each is self._embedding.weight)
        padding = self._embedding.padding_idx
        paddings = [PADDING, model.config.pad_token_id or PADDING, PADDING if padding is None else padding]
        ids = np.unique(np.concatenate([paddings, *(split.all_input_ids for split in splits)]))
        self._padding = None if padding is None else int(np.searchsorted(ids, padding))
        """Place of the row that never learns."""
        self._ids = torch.from_numpy(ids.astype(np.int64)).to(self._all.device)
        self._places = torch.full((len(self._all),), -1, device=self._all.device)  # -1 is refused, should a text have such a word
        self._places[self._ids] = torch.arange(len(ids), device=self._all.device)
        rows = torch.cat([self._all[self._ids], self._all.new_ones(1, self._all.shape[1])])
        self._embedding.weight = nn.Parameter(rows, requires_grad=self._embedding.weight.requires_grad)
        self._embedding.forward = self._forward  # type: ignore[method-assign]

    def _forward(self, ids: Tensor) -> Tensor:
        return nn.functional.embedding(self._places[ids], self._embedding.weight, self._padding)

    def whole(self, named: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        """Parameters by name, the word embeddings with all their rows."""
        return ((name, self._with_others(values) if name == self.name else values) for name, values in named)

    @torch.no_grad()
    def put_back(self) -> None:
        """Give the model all rows, as they are now."""
        self._embedding.weight = nn.Parameter(self._with_others(self._embedding.weight))
        del self._embedding.forward

    @torch.no_grad()
    def _with_others(self, rows: Tensor) -> Tensor:
        values = self._all * rows[-1]
        values[self._ids] = rows[:-1]
        return values


def used_rows_of(spec: RunSpec, model: Any, splits: Iterable[PreparedSplit]) -> UsedRows | None:
    """Those of a run, put in their place; None where other words may be read or written: as replacements, from texts that are
    replayed, by a head that shares these weights, or by an encoder that is frozen, whose states are stored for whole splits where
    a run has a part; and where the run is computed as the first version did.
    """
    is_frozen = any(isinstance(strategy, FeatureExtraction) for strategy in spec.strategies)
    reads_others = spec.head.kind == "masked_lm" or replay_of(spec.strategies) is not None or is_frozen
    return None if spec.compute.path == "reference" or reads_others else UsedRows(model, splits)
