"""The only place that makes seeds: independent streams derived from the study seed.

A seed is the first 53 bits of SHA-256 over (study seed, stream, index), so adding runs never changes earlier ones and streams are
independent. 53 bits, because browsers read JSON numbers as doubles.
"""

import hashlib
from typing import Literal, NamedTuple

from bertft_core.config.learning_curves import Subsets
from bertft_core.config.seed_settings import CrossedDesign, OnlyDesign, SeedsConfig
from bertft_core.config.split_designs import SplitsOfDesign
from bertft_core.records.run_spec import SeedTriple

Stream = Literal[
    "init",
    "order",
    "dropout",
    "examples",
    "split",
    "subsample",
    "sampler",
    "bootstrap",
    "epoch",
    "step",
    "trial",
    "mask",
    "reinit",
    "lora",
    "replay",
]


VARIED: tuple[Literal["init", "order", "dropout"], ...] = ("init", "order", "dropout")
"""Streams of a run's training."""


def derive_seed(parent_seed: int, stream: Stream, *index: int | str) -> int:
    """The seed of one stream at one index (a number or a name, or several) below a parent seed, in [0, 2**53)."""
    text = "/".join(["bertft", str(parent_seed), stream, *map(str, index)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 11


def seed_triple(study_seed: int, *, init: int, order: int, dropout: int) -> SeedTriple:
    """The seeds of a run's three streams, each at its own index."""
    return SeedTriple(
        init=derive_seed(study_seed, "init", init),
        order=derive_seed(study_seed, "order", order),
        dropout=derive_seed(study_seed, "dropout", dropout),
    )


def with_examples(seeds: SeedTriple, study_seed: int, config: SeedsConfig, index: int, subsets: Subsets) -> SeedTriple:
    """The seeds of a run that trains on a subset: another one for each seed index, or the same for all.

    In a split design another one for each seed of each split: indices change with the number of splits.
    """
    cell = split_cell_of(config, index)
    own = (index,) if cell is None else (cell.seed, cell.split)
    return seeds.model_copy(update={"examples": derive_seed(study_seed, "examples", *(own if subsets == "per_seed" else ()))})


def joint_seeds(study_seed: int, first: int, n: int) -> list[tuple[int, SeedTriple]]:
    """Seed indices `first … first + n - 1`, all three streams varying together."""
    return [(i, seed_triple(study_seed, init=i, order=i, dropout=i)) for i in range(first, first + n)]


class DesignCell(NamedTuple):
    """The indices of a run in a crossed design, from 0."""

    init: int
    order: int
    replicate: int


def cell_of(seeds: SeedsConfig, index: int) -> DesignCell | None:
    """The cell of a seed index in a crossed design, else None. Adding replicates does not change earlier runs."""
    if not isinstance(seeds.design, CrossedDesign):
        return None
    sizes = seeds.design.crossed
    replicate, place = divmod(index - seeds.first, sizes.init * sizes.order)
    return DesignCell(*divmod(place, sizes.order), replicate)


class SplitCell(NamedTuple):
    """The indices of a run in a split design, from 0."""

    split: int
    seed: int
    """Which of the seeds on that split."""


def split_cell_of(seeds: SeedsConfig, index: int) -> SplitCell | None:
    """The cell of a seed index in a split design, else None: every split has its first seed before any has its second."""
    if seeds.splits is None:
        return None
    seed, split = divmod(index, seeds.splits.n_splits)
    return SplitCell(split, seed)


def split_of(seeds: SeedsConfig, index: int) -> int | None:
    """The split of a seed index in a split design, else None."""
    cell = split_cell_of(seeds, index)
    return None if cell is None else cell.split


def split_seed(study_seed: int, splits: SplitsOfDesign, split: int) -> int:
    """The seed that a split is drawn from; folds of one repeat share it, and more repeats do not change earlier ones."""
    return derive_seed(study_seed, "split", type(splits).__name__, splits.place(split).repeat)


def _on_split(study_seed: int, splits: SplitsOfDesign, cell: SplitCell) -> SeedTriple:
    """Seeds of their own for each seed of each split, whatever the numbers of seeds and splits."""
    own = {stream: derive_seed(study_seed, stream, cell.seed, cell.split) for stream in VARIED}
    return SeedTriple(**own, split=split_seed(study_seed, splits, cell.split))


def report_seeds(study_seed: int, seeds: SeedsConfig, n: int | None = None) -> list[tuple[int, SeedTriple]]:
    """The (seed index, triple) pairs of a study's design: `n` of them, by default the initially planned number."""
    design, first = seeds.design, seeds.first
    indices = range(first, first + (seeds.n_at_first if n is None else n))
    if isinstance(design, OnlyDesign):
        fixed = {"init": first, "order": first, "dropout": first}
        return [(i, seed_triple(study_seed, **(fixed | {design.only: i}))) for i in indices]
    if isinstance(design, CrossedDesign):
        cells = [(i, cell) for i in indices if (cell := cell_of(seeds, i)) is not None]
        return [(i, seed_triple(study_seed, init=first + cell.init, order=first + cell.order, dropout=i)) for i, cell in cells]
    if (splits := seeds.splits) is not None:
        return [(i, _on_split(study_seed, splits, place)) for i in indices if (place := split_cell_of(seeds, i)) is not None]
    return joint_seeds(study_seed, first, len(indices))
