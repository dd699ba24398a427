"""Hidden subwords: how many, which, what is shown instead, and on what that depends."""

from __future__ import annotations

import numpy as np
import pytest

from bertft_core.masking import EVALUATION_RATIO, Vocabulary, draw_masks, fixed_masks

VOCABULARY = Vocabulary(size=50, mask_id=4, special_ids=(0, 1, 2, 3, 4, 17))
ORDINARY = [i for i in range(50) if i not in VOCABULARY.special_ids]


def text(n: int) -> np.ndarray:
    """CLS, n ordinary pieces, SEP."""
    return np.array([2, *(ORDINARY[i % len(ORDINARY)] for i in range(n)), 3], np.int32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("n", "hidden"), [(0, 0), (1, 1), (3, 1), (9, 1), (10, 2), (16, 2), (17, 3), (100, 15)])
def test_the_share_is_rounded_and_at_least_one_piece_is_hidden(n, hidden):
    masks = draw_masks(text(n), VOCABULARY, 0.15, rng())
    assert len(masks.positions) == len(masks.shown) == hidden


@pytest.mark.parametrize("seed", range(100))
def test_special_tokens_are_neither_hidden_nor_shown_at_random(seed):
    chance = rng(seed)
    ids = chance.integers(50, size=chance.integers(60)).astype(np.int32)
    masks = draw_masks(ids, VOCABULARY, chance.uniform(0.01, 0.99), chance)
    assert not np.isin(ids[masks.positions], VOCABULARY.special_ids).any()
    assert not (set(masks.shown.tolist()) & set(VOCABULARY.special_ids)) - {VOCABULARY.mask_id}
    assert (np.diff(masks.positions) > 0).all()
    assert masks.positions.dtype == masks.shown.dtype == np.int32


def test_eight_in_ten_are_masked_one_is_random_and_one_is_kept():
    ids = np.full(200_000, 20, np.int32)
    masks = draw_masks(ids, VOCABULARY, 0.5, rng())
    n, n_random_others = len(masks.shown), int((~np.isin(masks.shown, (4, 20))).sum())
    assert n == 100_000
    assert abs((masks.shown == 4).mean() - 0.8) < 0.01
    assert abs(n_random_others / n - 0.1 * (1 - 1 / len(ORDINARY))) < 0.01
    assert abs((masks.shown == 20).mean() - 0.1 * (1 + 1 / len(ORDINARY))) < 0.01
    assert set(masks.shown.tolist()) == {4, *ORDINARY}, "every ordinary piece is shown at random"
    assert abs(masks.positions.mean() - 100_000) < 500, "everywhere in the text"


def test_ranks_are_the_ids_that_are_not_special():
    assert VOCABULARY.ordinary(np.arange(len(ORDINARY))).tolist() == ORDINARY


def test_another_generator_hides_other_pieces_and_the_same_one_the_same():
    one, same, other = (draw_masks(text(100), VOCABULARY, 0.15, rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one.positions, other.positions)


def test_the_masks_of_evaluation_depend_on_the_example_alone():
    np.random.seed(1)
    one = fixed_masks("validation-00003", text(100), VOCABULARY)
    np.random.seed(2)
    assert np.array_equal(one, fixed_masks("validation-00003", text(100), VOCABULARY))
    assert not np.array_equal(one.positions, fixed_masks("validation-00004", text(100), VOCABULARY).positions)
    assert len(one.positions) == 100 * EVALUATION_RATIO


def test_a_vocabulary_comes_back_from_metadata():
    assert Vocabulary.from_metadata(VOCABULARY.as_metadata()) == VOCABULARY
