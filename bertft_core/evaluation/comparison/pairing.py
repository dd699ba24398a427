"""What two sides share, checked and never assumed: their seeds, and the examples that they are scored on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bertft_core.evaluation.comparison.compared_arms import MIN_SEEDS, ComparedArm

TOO_LARGE = 1e70
"""Perplexities of hopeless models are: the square of their variance would overflow."""


class Pairing(NamedTuple):
    """Which seeds of two sides are compared; position by position where they are paired."""

    paired: bool
    words: str
    arm: tuple[int, ...]
    """Seed indices."""
    baseline: tuple[int, ...]

    @property
    def seeds(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of the arm and of the baseline."""
        return self.arm, self.baseline

    def is_scored(self, arm: Mapping[int, float], baseline: Mapping[int, float]) -> bool:
        """Every compared seed has a score whose square is a number; both from seed index to score."""
        scores = [of_side.get(seed, np.inf) for of_side, seeds in ((arm, self.arm), (baseline, self.baseline)) for seed in seeds]
        return bool(np.abs(scores).max() < TOO_LARGE)


def pair_seeds(arm: ComparedArm, baseline: ComparedArm) -> Pairing:
    """Pair the runs that share their init, order and dropout seed, where at least three do; else compare all of both unpaired.

    Runs without a partner are left out of a paired comparison, and the words say how many.
    """
    ours, theirs = arm.triples, baseline.triples
    shared = sorted(ours.keys() & theirs.keys(), key=lambda triple: ours[triple])
    n_ours, n_theirs = len(arm.seeds), len(baseline.seeds)
    if len(shared) >= MIN_SEEDS and len(ours) == n_ours and len(theirs) == n_theirs:
        words = f"{len(shared)} runs of each side share their init, order and dropout seeds"
        alone = [f"{n - len(shared)} of {side.name}" for n, side in ((n_ours, arm), (n_theirs, baseline)) if n > len(shared)]
        if alone:
            words += f"; without a partner and left out: {' and '.join(alone)}"
        return Pairing(True, words, tuple(ours[t] for t in shared), tuple(theirs[t] for t in shared))
    words = (
        f"{len(shared) or 'no'} run{'s' * (len(shared) != 1)} of the two sides share{'s' * (len(shared) == 1)} all three seeds"
    )
    return Pairing(False, words, tuple(sorted(arm.seeds)), tuple(sorted(baseline.seeds)))


class SharedExamples(NamedTuple):
    """Whether two sides are scored on the same examples."""

    same: bool
    comparable: bool
    """Their scores may be held against each other at all."""
    words: str


def examples_of(arm: ComparedArm, baseline: ComparedArm, split: str) -> SharedExamples:
    """Compare the split's fingerprints: the same examples may be tokenised in two ways, for two encoders.

    Other examples are comparable only as other cuts of the same data, as studies with another seed make them.
    """
    ours, theirs = arm.results.card.splits.get(split), baseline.results.card.splits.get(split)
    if ours is None or theirs is None:
        lacking = arm if ours is None else baseline
        return SharedExamples(False, False, f"{lacking.name} has no split '{split}'")
    if arm.results.card.labels != baseline.results.card.labels:
        return SharedExamples(False, False, "they have other labels")
    if ours.sha256 == theirs.sha256:
        return SharedExamples(True, True, f"the same {ours.n_examples} examples of {split}")
    if arm.results.study.data == baseline.results.study.data:
        words = f"{split} holds other examples, cut from the same data with another study seed"
        return SharedExamples(False, True, words)
    return SharedExamples(
        False, False, f"{split} holds other examples ({ours.n_examples} against {theirs.n_examples}) of other data"
    )
