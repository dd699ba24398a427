"""Which seeds a study reports on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bertft_core.config.base import Frozen

Stream = Literal["init", "order", "dropout"]


class OnlyDesign(Frozen):
    """One stream moves, the two others stay at the first index."""

    only: Stream


class CrossedSizes(Frozen):
    """How many init seeds meet how many order seeds."""

    init: int = Field(ge=2, le=1000)
    order: int = Field(ge=2, le=1000)


class CrossedDesign(Frozen):
    """Every init seed with every order seed: `init` × `order` runs; dropout moves with the cell."""

    crossed: CrossedSizes


class SeedsConfig(Frozen):
    """The report seeds: indices `first, first + 1, …`, each with a seed of its own in every stream."""

    n: int = Field(5, ge=1, le=10_000, description="Runs of each arm; a crossed design says its own number.")
    first: int = Field(0, ge=0)
    design: Literal["joint"] | OnlyDesign | CrossedDesign = "joint"
    repeats: int = Field(0, ge=0, le=1000, description="Further runs of each arm's first seed with every seed the same.")
