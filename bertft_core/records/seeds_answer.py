"""The answer of `bertft seeds`: how many seeds are needed, at the spread of a study or at a given one."""

from typing import Literal

from bertft_core.config.base import Frozen
from bertft_core.records.insight_records import (
    SeedsFor,
    SeedsNeeded,
    SeedsPoint,
    StartManyView,
    StudyVariance,
    VarianceComponents,
)


class RunsToExceed(Frozen):
    """How many runs of an arm are needed until one exceeds a validation score."""

    arm: str
    metric: str
    score: float
    probability: float
    """Of at least one run better than `score`."""
    n_needed: int | None
    """Absent where none of the present runs is better."""


class CountedSeeds(Frozen):
    """How many seeds are needed at the spreads that a study has shown."""

    study: str
    metric: str
    split: str
    checkpoint: str
    seeds_needed: tuple[SeedsNeeded, ...]
    nothing: Literal["selected_seeds", "split_design", "few_seeds"] | None = None
    """Why `seeds_needed` is empty."""
    n_scored: dict[str, int] = {}
    """Arm → seeds with a score."""
    aims: tuple[SeedsFor, ...] = ()
    pairs_to_tell_a_winner: int
    """For P(A > B) = 0.75, whatever the spread."""
    exceeding: tuple[RunsToExceed, ...] = ()
    variance: tuple[VarianceComponents, ...] = ()
    between_studies: tuple[StudyVariance, ...] = ()
    start_many: tuple[StartManyView, ...] = ()


class CountedForSpread(Frozen):
    """The same at a spread that was given."""

    sd: float
    paired: bool
    power: float
    aims: tuple[SeedsFor, ...] = ()
    pairs_to_tell_a_winner: int
    curve: tuple[SeedsPoint, ...]
