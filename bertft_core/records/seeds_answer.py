"""What `bertft seeds` answers: how many seeds it takes, of a study or at a given spread."""

from __future__ import annotations

from bertft_core.config.base import Frozen
from bertft_core.records.insight_records import (
    SeedsFor,
    SeedsNeeded,
    SeedsPoint,
    StartManyView,
    StudyVariance,
    VarianceComponents,
)


class CountedSeeds(Frozen):
    """How many seeds it takes, at the spreads that a study has shown."""

    study: str
    metric: str
    split: str
    checkpoint: str
    seeds_needed: tuple[SeedsNeeded, ...]
    nothing: str | None = None
    """Why `seeds_needed` is empty."""
    aims: tuple[SeedsFor, ...] = ()
    pairs_to_tell_a_winner: int
    """For P(A > B) = 0.75, whatever the spread."""
    exceeding: tuple[str, ...] = ()
    """Runs of each arm until one beats a validation score, in sentences."""
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
