"""Metrics of masked language modelling against hand values."""

import math

import numpy as np
import pyarrow as pa
import pytest

from bertft_core.metrics import METRICS, masked_lm


def _table(n_masked, n_correct, loss):
    columns = {"n_masked": pa.array(n_masked, pa.int32()), "n_correct": pa.array(n_correct, pa.int32())}
    return pa.table({**columns, "loss": pa.array(loss, pa.float64())})


def _gold(*targets):
    return pa.table({"targets": pa.array(list(targets), pa.list_(pa.int32()))})


def test_every_masked_piece_counts_the_same_whichever_example_it_is_in():
    got = masked_lm.compute(_table([1, 3, 0], [1, 1, 0], [0.0, 8.0, 0.0]), ())
    assert got["loss"] == 2.0
    assert got["perplexity"] == pytest.approx(math.exp(2.0))
    assert got["accuracy"] == 0.5
    assert got["bits_per_piece"] == pytest.approx(2.0 / math.log(2))


def test_a_uniform_guess_over_the_vocabulary_has_its_size_as_perplexity():
    got = masked_lm.compute(_table([4], [0], [4 * math.log(30522)]), ())
    assert got["perplexity"] == pytest.approx(30522)
    assert got["bits_per_piece"] == pytest.approx(math.log2(30522))


def test_a_perplexity_that_overflows_is_absent():
    got = masked_lm.compute(_table([2], [0], [2000.0]), ())
    assert "perplexity" not in got
    assert got["loss"] == 1000.0


def test_the_majority_is_the_smoothed_unigram_distribution_of_the_training_pieces():
    got = masked_lm.majority(_gold([5, 7], [5, 9]), _gold([5, 7], [], [8]), ())
    # Pieces 5, 7, 8, 9 and one for all others: counts 2, 1, 0, 1, 0, each plus one, of 9.
    assert got["loss"] == pytest.approx(-(math.log(3 / 9) + math.log(2 / 9) + math.log(1 / 9)) / 3)
    assert got["accuracy"] == pytest.approx(1 / 3)
    assert got["perplexity"] == pytest.approx(math.exp(got["loss"]))


def test_the_majority_answers_the_lowest_id_among_equals():
    assert masked_lm.majority(_gold([9, 7]), _gold([7, 7, 9]), ())["accuracy"] == pytest.approx(2 / 3)


def test_the_unigram_probabilities_of_all_pieces_and_the_unseen_one_add_up_to_one():
    train, pieces = _gold([1, 1, 1, 4], [6]), [1, 4, 6, 8, 3]
    losses = [masked_lm.majority(train, _gold([piece], pieces), ()) for piece in pieces]
    all_pieces = masked_lm.majority(train, _gold(pieces), ())["loss"] * len(pieces)
    probabilities = [math.exp(-(found["loss"] * (len(pieces) + 1) - all_pieces)) for found in losses]
    assert probabilities == pytest.approx(np.array([4, 2, 2, 1, 1]) / 11)
    assert sum(probabilities) == pytest.approx(1 - 1 / 11)


def test_nothing_is_tuned_and_there_is_no_confusion_table():
    table = _table([1], [1], [0.5])
    assert METRICS["masked_lm"].tune(table, ()) == {}
    assert METRICS["masked_lm"].confusion(table, ()) is None


@pytest.mark.parametrize(
    ("n_masked", "n_correct", "loss"),
    [
        ([0], [0], [0.0]),
        ([], [], []),
        ([1], [2], [0.1]),
        ([1], [-1], [0.1]),
        ([1], [1], [math.nan]),
        ([1], [1], [math.inf]),
        ([1], [1], [-0.1]),
    ],
)
def test_predictions_that_cannot_be_scored_are_refused(n_masked, n_correct, loss):
    with pytest.raises(ValueError):
        masked_lm.compute(_table(n_masked, n_correct, loss), ())


def test_a_training_set_without_masked_pieces_is_refused():
    with pytest.raises(ValueError, match="training set"):
        masked_lm.majority(_gold([]), _gold([1]), ())
    with pytest.raises(ValueError, match="to score"):
        masked_lm.majority(_gold([1]), _gold([]), ())
