"""What two arms share, checked and never assumed: their seeds, and the examples that they are scored on."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bertft_core.config.data_settings import RESERVED_SPLITS
from bertft_core.evaluation.comparison.compared_arms import ComparedArm
from bertft_core.records.comparison_record import Refusal
from bertft_core.statistics.seeds_needed import MIN_SEEDS

TOO_LARGE = 1e70
"""Perplexities of hopeless models are: the square of their variance would overflow."""


class Pairing(NamedTuple):
    """Which seeds of two arms are compared; position by position where they are paired."""

    paired: bool
    n_shared: int
    """Runs of each arm with a partner that has the same three seeds."""
    arm: tuple[int, ...]
    """Seed indices."""
    baseline: tuple[int, ...]

    def is_scored(self, arm: Mapping[int, float], baseline: Mapping[int, float]) -> bool:
        """Every compared seed has a score whose square is finite; both arguments map a seed index to a score."""
        scores = [found.get(seed, np.inf) for found, seeds in ((arm, self.arm), (baseline, self.baseline)) for seed in seeds]
        return bool(np.abs(scores).max() < TOO_LARGE)


def pair_seeds(arm: ComparedArm, baseline: ComparedArm) -> Pairing:
    """Pair the runs with the same init, order and dropout seed where there are at least three; else all runs, unpaired.

    Runs without a partner are left out of a paired comparison.
    """
    triples, of_baseline = arm.seed_triples, baseline.seed_triples
    shared = sorted(triples.keys() & of_baseline.keys(), key=lambda triple: triples[triple])
    is_unique = len(triples) == len(arm.seeds) and len(of_baseline) == len(baseline.seeds)
    if len(shared) >= MIN_SEEDS and is_unique:
        return Pairing(True, len(shared), tuple(triples[t] for t in shared), tuple(of_baseline[t] for t in shared))
    return Pairing(False, len(shared), tuple(sorted(arm.seeds)), tuple(sorted(baseline.seeds)))


def pair_refusal(arm: ComparedArm, baseline: ComparedArm, split: str) -> Refusal | None:
    """Why the scores of two arms on a split cannot be compared; None when they can.

    Different examples are comparable only as other splits of the same data, as another study seed makes them. Runs with splits of
    their own are not comparable on a set that all of them are tested on: their spread over splits says nothing about its
    examples, and the corrected t-test called half of equal arms different there.
    """
    card, other = (each.results.card.splits.get(split) for each in (arm, baseline))
    sizes = (None if card is None else card.n_examples, None if other is None else other.n_examples)
    refused = Refusal(reason="other_data", arm=arm.name, baseline=baseline.name, n_examples=sizes)
    if card is None or other is None:
        return refused.model_copy(update={"reason": "missing_split"})
    if arm.results.card.labels != baseline.results.card.labels:
        return refused.model_copy(update={"reason": "other_labels", "n_examples": None})
    if _have_other_tokens(arm, baseline, split):
        return refused.model_copy(update={"reason": "other_tokens", "n_examples": None})
    if arm.has_own_splits or baseline.has_own_splits:
        if split not in RESERVED_SPLITS:
            return refused.model_copy(update={"reason": "same_test_set", "n_examples": None})
        if not _have_same_splits(arm, baseline):
            return refused.model_copy(update={"reason": "other_splits", "n_examples": None})
    return None if card.sha256 == other.sha256 or arm.results.study.data == baseline.results.study.data else refused


def _have_other_tokens(arm: ComparedArm, baseline: ComparedArm, split: str) -> bool:
    """Both are scored per token, of the same texts read to the same length, and have other tokens of them (vocabularies).

    Cards do not name vocabularies. Within a study such arms are refused before anything runs.
    """
    cards = [each.results.card.of_arm(each.arm.arm) for each in (arm, baseline)]
    texts = [(card.max_length, card.splits[split].sha256) for card in cards]
    lengths = [card.splits[split].mean_length for card in cards]
    is_per_token = arm.results.study.head.kind == "masked_lm"
    return is_per_token and texts[0] == texts[1] and lengths[0] != lengths[1]


def _have_same_splits(arm: ComparedArm, baseline: ComparedArm) -> bool:
    """Both have at least two runs on the same splits of the same examples; other runs are not comparable one by one."""
    drawn = [[draw.splits["test"].sha256 for draw in each.results.card.draws] for each in (arm, baseline)]
    n_same = len(arm.seed_triples.keys() & baseline.seed_triples.keys())
    return n_same >= MIN_SEEDS and all(first == second for first, second in zip(*drawn, strict=False))


def has_same_examples(arm: ComparedArm, baseline: ComparedArm, split: str) -> bool:
    """The same split by its fingerprint (two encoders may tokenise the same examples differently); both arms have it."""
    return arm.results.card.splits[split].sha256 == baseline.results.card.splits[split].sha256
