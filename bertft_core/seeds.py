"""The only place that seeds anything: independent streams derived from the study seed.

A seed is the first 53 bits of SHA-256 over (study seed, stream, index), so adding runs never changes earlier ones and no
stream follows another. 53 bits, because seeds travel as JSON numbers through browsers.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from bertft_core.config.seeds import CrossedDesign, OnlyDesign, SeedsConfig
from bertft_core.records.run_spec import SeedTriple

Stream = Literal[
    "init", "order", "dropout", "split", "subsample", "sampler", "bootstrap", "epoch", "step", "trial", "mask", "reinit"
]


def derive_seed(parent_seed: int, stream: Stream, *index: int | str) -> int:
    """The seed of one stream at one index (a number or a name, or several) below a parent seed, in [0, 2**53)."""
    text = "/".join(["bertft", str(parent_seed), stream, *map(str, index)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 11


def seed_triple(study_seed: int, *, init: int, order: int, dropout: int) -> SeedTriple:
    """The three streams of a run, each at its own index."""
    return SeedTriple(
        init=derive_seed(study_seed, "init", init),
        order=derive_seed(study_seed, "order", order),
        dropout=derive_seed(study_seed, "dropout", dropout),
    )


def joint_seeds(study_seed: int, first: int, n: int) -> list[tuple[int, SeedTriple]]:
    """Seed indices `first … first + n - 1`, all three streams moving together."""
    return [(i, seed_triple(study_seed, init=i, order=i, dropout=i)) for i in range(first, first + n)]


def report_seeds(study_seed: int, seeds: SeedsConfig) -> list[tuple[int, SeedTriple]]:
    """The (seed index, triple) pairs of a study's design."""
    design, first = seeds.design, seeds.first
    if isinstance(design, OnlyDesign):
        fixed = {"init": first, "order": first, "dropout": first}
        moving = design.only
        return [(i, seed_triple(study_seed, **(fixed | {moving: i}))) for i in range(first, first + seeds.n)]
    if isinstance(design, CrossedDesign):
        n_order = design.crossed.order
        cells = range(first, first + design.crossed.init * n_order)
        return [
            (i, seed_triple(study_seed, init=first + (i - first) // n_order, order=first + (i - first) % n_order, dropout=i))
            for i in cells
        ]
    return joint_seeds(study_seed, first, seeds.n)
