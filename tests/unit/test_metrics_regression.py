"""Metrics of a predicted number against scipy, scikit-learn and hand values."""

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn import metrics as oracle

from bertft_core.metrics import METRICS, regression
from bertft_core.metrics.regression import mean_ranks, pearson, scores, spearman


def _example(seed: int, n: int, digits: int = 1):
    rng = np.random.default_rng(seed)
    true = np.round(rng.uniform(1, 5, n), digits)  # rounded, so that ranks tie
    return np.round(true + rng.normal(size=n), digits), true


def _table(true, predicted):
    return pa.table({"label": pa.array(true, pa.float64()), "predicted": pa.array(predicted, pa.float32())})


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [3, 8, 200])
@pytest.mark.parametrize("digits", [0, 1, 9])
def test_every_metric_equals_scipy_and_scikit_learn(seed, n, digits):
    predicted, true = _example(seed, n, digits)
    predicted[0], true[0] = 7.0, 6.0  # neither is constant
    got = scores(predicted, true)
    assert got["pearson"] == pytest.approx(stats.pearsonr(predicted, true).statistic)
    assert got["spearman"] == pytest.approx(stats.spearmanr(predicted, true).statistic)
    assert got["pearson_and_spearman"] == pytest.approx((got["pearson"] + got["spearman"]) / 2)
    assert got["mse"] == pytest.approx(oracle.mean_squared_error(true, predicted))
    assert got["rmse"] == pytest.approx(oracle.root_mean_squared_error(true, predicted))
    assert got["mae"] == pytest.approx(oracle.mean_absolute_error(true, predicted))
    assert got["r2"] == pytest.approx(oracle.r2_score(true, predicted))


def test_equal_values_share_the_mean_of_their_ranks():
    values = np.array([3.0, 1.0, 3.0, 2.0, 3.0])
    assert mean_ranks(values).tolist() == [4.0, 1.0, 4.0, 2.0, 4.0]
    assert mean_ranks(values).tolist() == stats.rankdata(values).tolist()


@pytest.mark.parametrize("constant", [0.0, 0.1, 3.3, -1e300])
def test_a_constant_predictor_correlates_zero(constant):
    true = np.array([1.0, 2.0, 4.0])
    got = scores(np.full(3, constant), true)
    assert (got["pearson"], got["spearman"], got["pearson_and_spearman"]) == (0.0, 0.0, 0.0)
    assert np.isfinite(list(got.values())).all()


def test_constant_labels_correlate_zero_and_have_no_r2():
    got = scores(np.array([1.0, 2.0, 4.0]), np.full(3, 0.1))
    assert (got["pearson"], got["spearman"]) == (0.0, 0.0)
    assert "r2" not in got
    assert got["mae"] == pytest.approx((0.9 + 1.9 + 3.9) / 3)


def test_one_example_has_errors_and_a_correlation_of_zero():
    assert scores(np.array([3.0]), np.array([1.0])) == {
        "pearson": 0.0,
        "spearman": 0.0,
        "pearson_and_spearman": 0.0,
        "mse": 4.0,
        "rmse": 2.0,
        "mae": 2.0,
    }


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-9, 1e200, 3e307])
def test_correlation_does_not_depend_on_the_scale(scale):
    first, second = np.array([1.0, 2.0, 3.0, 5.0]), np.array([2.0, 1.0, 4.0, 3.0])
    assert pearson(first * scale, second) == pytest.approx(pearson(first, second), rel=1e-3)
    assert spearman(first * scale, second) == pytest.approx(spearman(first, second))


def test_numbers_that_overflow_are_absent():
    got = scores(np.array([1e200, -1e200]), np.array([1.0, 2.0]))
    assert got["pearson"] == pytest.approx(-1.0)
    assert got["mae"] == pytest.approx(1e200)
    assert not {"mse", "rmse", "r2"} & set(got)


@pytest.mark.filterwarnings("error")
def test_labels_too_close_for_a_variance_have_no_r2():
    got = scores(np.array([1.0, 2.0]), np.array([1e-200, 2e-200]))
    assert got["pearson"] == pytest.approx(1.0)
    assert "r2" not in got


def test_a_table_scores_as_its_arrays_do():
    predicted, true = _example(0, 20)
    assert regression.compute(_table(true, predicted), ()) == scores(predicted.astype(np.float32), true)


def test_the_majority_answers_the_mean_of_the_training_labels():
    got = regression.majority(pa.table({"label": [1.0, 2.0, 6.0]}), pa.table({"label": [1.0, 5.0]}), ())
    assert got["mae"] == 2.0
    assert got["mse"] == 4.0
    assert got["r2"] == 1 - 4.0 / 4.0
    assert (got["pearson"], got["spearman"]) == (0.0, 0.0)


def test_nothing_is_tuned_and_there_is_no_confusion_table():
    table = _table([1.0, 2.0], [1.5, 2.5])
    assert METRICS["regression"].tune(table, ()) == {}
    assert METRICS["regression"].confusion(table, ()) is None


@pytest.mark.parametrize(
    ("predicted", "true"),
    [([], []), ([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]]), ([np.nan, 1.0], [1.0, 2.0]), ([1.0, 2.0], [1.0, np.inf])],
)
def test_predictions_that_cannot_be_scored_are_refused(predicted, true):
    with pytest.raises(ValueError):
        scores(np.array(predicted), np.array(true))


def test_a_missing_label_is_refused():
    with pytest.raises(ValueError, match="'label' holds null"):
        regression.compute(_table([1.0, None], [1.0, 2.0]), ())


def test_a_missing_column_is_refused():
    with pytest.raises(ValueError, match="no column 'predicted'"):
        regression.compute(pa.table({"label": [1.0]}), ())
