"""Contract: what examples add up to is the metric itself, for every metric of every head, also of a resampled table."""

import numpy as np
import pyarrow as pa
import pytest

from bertft_core.evaluation.calibration import brier
from bertft_core.metrics import METRICS
from bertft_core.metrics.per_example.statistic import Ranking, Statistic, scored_of
from bertft_core.metrics.prediction_columns import matrix, vector
from bertft_core.metrics.seed_means import softmax
from tests.helpers.prediction_tables import EVERY_KIND

N = 40
cases = pytest.mark.parametrize("case", EVERY_KIND.values(), ids=EVERY_KIND.keys())


def _tuned(case):
    return METRICS[case.kind].tune(case.make(np.random.default_rng(99), N), case.labels)


def test_every_head_is_among_the_cases():
    assert set(METRICS) == {case.kind for case in EVERY_KIND.values()}


@cases
def test_every_metric_is_there_or_says_why_it_cannot_be_resampled(case):
    table, module = case.make(np.random.default_rng(0), N), METRICS[case.kind]
    computed = METRICS[case.kind].compute(table, case.labels, **_tuned(case))
    given = module.statistics(table, case.labels, **_tuned(case))
    assert set(computed) - set(module.seeds_only) == set(given) - {"brier"}
    assert not set(given) & set(module.seeds_only)


@cases
@pytest.mark.parametrize("seed", range(6))
def test_sums_over_the_table_and_over_resamples_of_it_give_what_compute_gives(case, seed):
    rng = np.random.default_rng(seed)
    table, tuned = case.make(rng, N), _tuned(case)
    found = METRICS[case.kind].statistics(table, case.labels, **tuned)
    draws = [np.arange(N), *(rng.integers(0, N, N) for _ in range(3))]
    weights = np.stack([np.bincount(drawn, minlength=N) for drawn in draws])
    wanted = [METRICS[case.kind].compute(table.take(pa.array(drawn)), case.labels, **tuned) for drawn in draws]
    compared = 0
    for name, statistic in found.items():
        if name == "brier":
            continue
        got = scored_of([statistic, statistic]).scores(weights)
        assert got.shape == (len(draws), 2)
        assert (got[:, 0] == got[:, 1]).all()
        got = got[:, 0]
        for value, of_table in zip(got, wanted, strict=True):
            if name in of_table:
                assert value == pytest.approx(of_table[name], rel=1e-9, abs=1e-9), name
                compared += 1
    assert compared >= 2 * len(draws)


@cases
def test_sums_of_many_samples_are_finished_at_once(case):
    found = METRICS[case.kind].statistics(case.make(np.random.default_rng(1), N), case.labels, **_tuned(case))
    weights = np.random.default_rng(2).multinomial(N, np.full(N, 1 / N), size=(2, 3))
    for name, statistic in found.items():
        if isinstance(statistic, Statistic):
            sums = weights @ statistic.values
            at_once = statistic.finish(sums)
            assert at_once.shape == (2, 3), name
            assert at_once[1, 2] == pytest.approx(float(statistic.finish(sums[1, 2])), abs=1e-12), name
            assert np.isfinite(at_once).all(), name


def test_brier_is_that_of_the_calibration_probe():
    for name in ("two classes", "four classes"):
        case = EVERY_KIND[name]
        table = case.make(np.random.default_rng(3), N)
        statistic = METRICS[case.kind].statistics(table, case.labels)["brier"]
        wanted = brier(softmax(matrix(table, "logits", len(case.labels)).astype(float)), vector(table, "label"))
        assert float(statistic.finish(statistic.values.sum(axis=0))) == pytest.approx(wanted, rel=1e-12)


@cases
def test_seeds_with_other_answers_keep_their_own_scores(case):
    rng = np.random.default_rng(5)
    seeds = [case.make(np.random.default_rng([6, i]), N) for i in range(3)]
    weights = rng.multinomial(N, np.full(N, 1 / N), size=4)
    found = [METRICS[case.kind].statistics(table, case.labels, **_tuned(case)) for table in seeds]
    for name in set.intersection(*(set(of_seed) for of_seed in found)):
        if isinstance(found[0][name], Ranking):
            continue  # seeds are ranked against one truth
        together = scored_of([of_seed[name] for of_seed in found]).scores(weights)
        alone = [scored_of([of_seed[name]]).scores(weights)[:, 0] for of_seed in found]
        assert together == pytest.approx(np.stack(alone, axis=1), abs=1e-12), name


@cases
def test_right_answers_are_those_that_a_whole_unit_has_right(case):
    table = case.make(np.random.default_rng(4), N)
    right = METRICS[case.kind].right(table, case.labels, **_tuned(case))
    if case.kind in ("regression", "masked_lm"):
        assert right is None
        return
    assert right.dtype == bool
    assert 0 < right.sum() < N
    one = METRICS[case.kind].compute
    metric = "exact" if case.kind == "question_answering" else "accuracy"
    for row in range(5):
        alone = table.slice(row, 1)
        assert right[row] == (one(alone, case.labels, **_tuned(case))[metric] == 1.0)


def test_constant_numbers_correlate_zero_and_huge_ones_keep_their_digits():
    true, huge = np.array([1.0, 2.0, 4.0, 8.0]), 1e150 * np.array([1.0, 3.0, 2.0, 9.0]) + 1e151
    for predicted in (np.full(4, 0.1), huge, 1e-150 * huge):
        table = pa.table({"label": true, "predicted": predicted})
        statistic = METRICS["regression"].statistics(table)["pearson"]
        wanted = METRICS["regression"].compute(table)["pearson"]
        assert float(statistic.finish(statistic.values.sum(axis=0))) == pytest.approx(wanted, abs=1e-9)
        assert float(statistic.finish(4 * statistic.values[2])) == 0.0
