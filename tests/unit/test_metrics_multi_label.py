"""Metrics of a multi-label classifier against scikit-learn and hand values."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as oracle

from bertft_core.metrics import METRICS, multi_label
from bertft_core.metrics.multi_label import average_precision, scores

NAMES = ("a", "b", "c", "d")


def _example(seed: int, n: int = 60):
    rng = np.random.default_rng(seed)
    logits = np.round(2 * rng.normal(size=(n, 4)), 1).astype(np.float32)  # rounded, so that scores tie
    targets = (rng.random((n, 4)) < [0.1, 0.3, 0.5, 0.8]).astype(np.int8)
    targets[0] = 1
    return logits, targets


def _table(logits, targets):
    columns = {"label": targets.astype(np.int8), "logits": logits.astype(np.float32)}
    lists = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1]) for name, values in columns.items()
    }
    return pa.table({"example_id": [str(i) for i in range(len(targets))], **lists})


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [5, 60])
def test_every_metric_equals_scikit_learn(seed, n):
    logits, targets = _example(seed, n)
    got = scores(logits, targets, NAMES)
    answers = logits > 0
    probabilities = 1 / (1 + np.exp(-logits.astype(float)))
    assert got["accuracy"] == pytest.approx(oracle.accuracy_score(targets, answers))
    assert got["hamming_loss"] == pytest.approx(oracle.hamming_loss(targets, answers))
    for average in ("micro", "macro", "weighted", "samples"):
        expected = oracle.f1_score(targets, answers, average=average, zero_division=0)
        assert got[f"f1_{average}"] == pytest.approx(expected), average
    assert got["average_precision_macro"] == pytest.approx(oracle.average_precision_score(targets, logits, average="macro"))
    assert got["log_loss"] == pytest.approx(oracle.log_loss(targets.ravel(), probabilities.ravel(), labels=[0, 1]))
    for name, function in {"precision": oracle.precision_score, "recall": oracle.recall_score, "f1": oracle.f1_score}.items():
        expected = function(targets, answers, average=None, zero_division=0)
        assert [got[f"{name}/{label}"] for label in NAMES] == pytest.approx(expected)


def test_a_table_scores_as_its_arrays_do_also_when_it_is_sliced_or_in_pieces():
    logits, targets = _example(0)
    expected = scores(logits[3:], targets[3:], NAMES)
    table = _table(logits, targets)
    assert multi_label.compute(table.slice(3), NAMES) == expected
    assert multi_label.compute(pa.concat_tables([table.slice(3, 10), table.slice(13)]), NAMES) == expected


def test_a_logit_of_zero_is_off():
    got = scores(np.array([[0.0, 1.0]]), np.array([[0, 1]]), ("a", "b"))
    assert got["accuracy"] == 1.0


def test_a_label_that_no_example_has_counts_in_macro_f1_and_not_in_macro_average_precision():
    got = scores(np.array([[1.0, -1.0], [-2.0, -1.0]]), np.array([[1, 0], [0, 0]]), ("a", "b"))
    assert (got["f1/a"], got["f1/b"], got["f1_macro"]) == (1.0, 0.0, 0.5)
    assert got["average_precision_macro"] == 1.0


def test_average_precision_is_absent_where_no_example_has_any_label():
    got = scores(np.array([[1.0], [-2.0]]), np.array([[0], [0]]), ("a",))
    assert "average_precision_macro" not in got
    assert (got["f1_micro"], got["f1_weighted"], got["f1_samples"]) == (0.0, 0.0, 0.0)


def test_equal_scores_enter_average_precision_together():
    for on in ([True, False, False, True], [False, True, True, False]):
        assert average_precision(np.zeros(4), np.array(on)) == 0.5


def test_log_loss_stays_finite_for_huge_logits():
    assert scores(np.array([[1e4, -1e4]]), np.array([[0, 0]]), ("a", "b"))["log_loss"] == pytest.approx(5e3)


def test_the_majority_turns_on_what_more_than_half_of_the_training_examples_have():
    train = _table(np.zeros((4, 3)), np.array([[1, 1, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]]))
    split = _table(np.zeros((2, 3)), np.array([[1, 1, 0], [0, 1, 1]]))
    got = multi_label.majority(train, split, ("always", "half", "never"))
    assert (got["recall/always"], got["recall/half"], got["recall/never"]) == (1.0, 0.0, 0.0)
    assert got["accuracy"] == 0.0
    sure, half = 0.9, 0.5  # shares 1 and 0 of four examples are kept 0.5 / 5 away from the ends
    cells = [sure, half, sure, 1 - sure, half, 1 - sure]
    assert got["log_loss"] == pytest.approx(-np.log(cells).mean())


def test_the_majority_of_one_example_repeats_it():
    train = _table(np.zeros((1, 2)), np.array([[1, 0]]))
    assert multi_label.majority(train, train, ("a", "b"))["accuracy"] == 1.0


def test_nothing_is_tuned_and_there_is_no_confusion_table():
    table = _table(*_example(0))
    assert METRICS["multi_label"].tune(table, NAMES) == {}
    assert METRICS["multi_label"].confusion(table, NAMES) is None


@pytest.mark.parametrize(
    ("logits", "targets"),
    [
        (np.zeros((0, 2)), np.zeros((0, 2))),
        (np.zeros((2, 3)), np.zeros((2, 3))),
        (np.zeros((2, 2)), np.zeros((3, 2))),
        (np.zeros((1, 2)), np.array([[0, 2]])),
        (np.array([[0.0, np.nan]]), np.array([[0, 1]])),
        (np.array([[0.0, -np.inf]]), np.array([[0, 1]])),
    ],
)
def test_predictions_that_cannot_be_scored_are_refused(logits, targets):
    with pytest.raises(ValueError):
        scores(logits, targets, ("a", "b"))


def test_a_table_with_another_number_of_labels_is_refused():
    with pytest.raises(ValueError, match="expected 3"):
        multi_label.compute(_table(*_example(0)), ("a", "b", "c"))


def test_a_table_without_rows_is_refused():
    with pytest.raises(ValueError, match="no examples"):
        multi_label.compute(_table(*_example(0)).slice(0, 0), NAMES)
