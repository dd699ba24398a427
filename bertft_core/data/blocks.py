"""Blocks of examples that stay together are dealt to parts of given sizes, each with the labels in their proportions.

Blocks come in random order, larger ones earlier more often, so that small ones fill the gaps. Each goes to the part where it
reduces the distance to the wanted numbers most: Σ (found − wanted)² / wanted, over the labels and over all examples together.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def deal_blocks(blocks: Ints, strata: Ints, sizes: Sequence[float], rng: np.random.Generator) -> Ints:
    """The part [n_examples] of every example, where all of a block are in one part.

    `blocks` and `strata` [n_examples] number the block and the label of each example from 0; `sizes` [n_parts] are the
    examples wanted in each part, above 0. Every part has every label where the blocks allow it; see `parts_without`. Which
    block is where depends on the numbers of the blocks and on `rng` alone, not on the order of the examples.
    """
    counts = np.zeros((blocks.max() + 1, strata.max() + 1))
    np.add.at(counts, (blocks, strata), 1)
    order = np.argsort(rng.exponential(size=len(counts)) / counts.sum(1), kind="stable")
    shares = np.asarray(sizes, dtype=np.float64) / np.sum(sizes)
    part_of = _greedy(np.column_stack([counts, counts.sum(1)]), shares, order)
    _spread(counts, part_of, shares, order)
    return part_of[blocks]


def deal_folds(blocks: Ints, strata: Ints, n_folds: int, rng: np.random.Generator) -> Ints:
    """The fold [n_examples] of every example, of folds of equal size; see `deal_blocks`."""
    return deal_blocks(blocks, strata, [1.0] * n_folds, rng)


def parts_without(parts: Ints, strata: Ints, n_parts: int) -> list[tuple[int, int]]:
    """(part, label) for every label that a part has no example of."""
    counts = np.zeros((n_parts, strata.max() + 1), dtype=np.int64)
    np.add.at(counts, (parts, strata), 1)
    return [(int(part), int(label)) for part, label in np.argwhere(counts == 0)]


def _greedy(counts: Floats, shares: Floats, order: Ints) -> Ints:
    """The part [n_blocks] of every block, dealt in this order; `counts` [n_blocks, n_columns] are its examples."""
    wanted = np.outer(shares, counts.sum(0))
    found = np.zeros_like(wanted)
    part_of = np.zeros(len(counts), dtype=np.int64)
    for block in order:
        added = counts[block]
        held = np.flatnonzero(added)
        part = part_of[block] = np.argmin(_cost(added[held], found[:, held], wanted[:, held]))
        found[part] += added
    return part_of


def _cost(added: Floats, found: Floats, wanted: Floats) -> Floats:
    """By how much the distance of each part [n_parts] grows when these examples [n_columns] are added to it."""
    return np.asarray((added * (2 * (found - wanted) + added) / wanted).sum(1))


def _spread(counts: Floats, part_of: Ints, shares: Floats, order: Ints) -> None:
    """Move blocks, as few as possible, so that no part lacks a label that others can spare; rare labels come first."""
    has = counts > 0
    n_blocks = np.zeros((len(shares), counts.shape[1]), dtype=np.int64)
    np.add.at(n_blocks, part_of, has.astype(np.int64))
    wanted = np.outer(shares, counts.sum(0))
    for label in np.argsort(has.sum(0), kind="stable"):
        for part in np.flatnonzero(n_blocks[:, label] == 0):
            spare = np.all(~has[order] | (n_blocks[part_of[order]] > 1), axis=1)  # it is not the last of a label in its part
            able = order[has[order, label] & spare]
            if len(able):
                misfit = np.abs(counts[able] - wanted[part]).sum(1)
                block = able[np.argmin(misfit)]
                n_blocks[part_of[block]] -= has[block]
                n_blocks[part] += has[block]
                part_of[block] = part
