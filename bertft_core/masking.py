"""Which tokens of a text are masked in masked language modelling, and what is shown in their place.

A share of the tokens is to be predicted; of these 80 % are shown as the mask, 10 % as a random token, 10 % unchanged. Special
tokens (the unknown token is one) are never predicted and never shown at random.
Source: Devlin et al. 2019, section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bertft_core.seeds import derive_seed

EVALUATION_RATIO = 0.15
"""Share of the tokens predicted in evaluation, whatever the share in training, so that losses can be compared."""
SHOWN_AS_MASK, SHOWN_AT_RANDOM = 0.8, 0.1

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs to know of a tokenizer; stored in the metadata of the splits."""

    size: int
    """Token ids are 0 … size - 1."""
    mask_id: int
    special_ids: tuple[int, ...]
    """Ids that are not ordinary tokens of a text, rising."""

    def as_metadata(self) -> dict[str, str]:
        """Names and values as texts."""
        special = ",".join(map(str, self.special_ids))
        return {"vocabulary_size": str(self.size), "mask_token_id": str(self.mask_id), "special_ids": special}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Vocabulary:
        """What `as_metadata` wrote."""
        special = tuple(int(text) for text in metadata["special_ids"].split(","))
        return cls(int(metadata["vocabulary_size"]), int(metadata["mask_token_id"]), special)

    def ordinary(self, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
        """The ids at these ranks, from 0, among those that are not special."""
        special = np.array(self.special_ids)
        return ranks + np.searchsorted(special - np.arange(len(special)), ranks, side="right")


class Masks(NamedTuple):
    """The masked tokens of one text."""

    positions: Ids
    """[m], rising"""
    shown: Ids
    """[m]: the ids in their place."""


def draw_masks(input_ids: Ids, vocabulary: Vocabulary, ratio: float, rng: np.random.Generator) -> Masks:
    """Mask a share of the tokens of a text, at least one if it has any."""
    candidates = np.flatnonzero(~np.isin(input_ids, vocabulary.special_ids))
    n = min(len(candidates), max(1, int(ratio * len(candidates) + 0.5)))
    positions = np.sort(rng.choice(candidates, n, replace=False))
    fate = rng.random(n)
    random_ids = vocabulary.ordinary(rng.integers(vocabulary.size - len(vocabulary.special_ids), size=n))
    shown = np.where(fate < SHOWN_AS_MASK, vocabulary.mask_id, input_ids[positions])
    at_random = (fate >= SHOWN_AS_MASK) & (fate < SHOWN_AS_MASK + SHOWN_AT_RANDOM)
    return Masks(positions.astype(np.int32), np.where(at_random, random_ids, shown).astype(np.int32))


def fixed_masks(example_id: str, input_ids: Ids, vocabulary: Vocabulary) -> Masks:
    """The masks of evaluation: drawn from the stream `mask` of seed 0 and the example's id, so they depend on nothing else."""
    rng = np.random.default_rng(derive_seed(0, "mask", example_id))
    return draw_masks(input_ids, vocabulary, EVALUATION_RATIO, rng)
