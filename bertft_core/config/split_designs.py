"""Designs in which the data vary: every run is trained, validated and tested on a split of its own, cut from train."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field

from bertft_core.config.base import Frozen, left_out_if


class SplitPlace(NamedTuple):
    """The place of a split in its design; all numbers start at 0."""

    repeat: int
    """Of a bootstrap or a random split, which one it is."""
    fold: int


class Folds(Frozen):
    """Stratified k-fold cross-validation: every example is tested once in each repeat."""

    folds: int = Field(ge=2, le=100, description="Parts of the data; each is the test set of one split.")
    repeats: int = Field(1, ge=1, le=100, exclude_if=left_out_if(1), description="How often the data are divided anew.")

    @property
    def n_splits(self) -> int:
        """Splits of the design."""
        return self.folds * self.repeats

    def place(self, split: int) -> SplitPlace:
        """Where a split stands; more repeats do not change those of earlier ones."""
        return SplitPlace(*divmod(split, self.folds))


class Resamples(Frozen):
    """Repeated random splits (Monte Carlo cross-validation): each draws a test set of its own."""

    resamples: int = Field(ge=2, le=1000, description="Random splits.")
    test_ratio: float = Field(0.2, gt=0.0, lt=1.0, description="Share of the examples that a split tests on.")

    @property
    def n_splits(self) -> int:
        """Splits of the design."""
        return self.resamples

    def place(self, split: int) -> SplitPlace:
        """Where a split stands."""
        return SplitPlace(split, 0)


class OutOfBootstrap(Frozen):
    """Each split trains on a bootstrap sample of the examples and tests on those that are not in it."""

    bootstrap: int = Field(ge=2, le=1000, description="Bootstrap samples.")

    @property
    def n_splits(self) -> int:
        """Splits of the design."""
        return self.bootstrap

    def place(self, split: int) -> SplitPlace:
        """Where a split stands."""
        return SplitPlace(split, 0)


SplitsOfDesign = Folds | Resamples | OutOfBootstrap


class SplitDesign(Frozen):
    """Every split with `seeds.n` seeds, all streams of which are its own; `split` says how the splits are drawn."""

    split: SplitsOfDesign
