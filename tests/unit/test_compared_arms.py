"""The compared arms: which runs count, what two arms share, and their predictions aligned by example."""

import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from bertft_core.config import UserError
from bertft_core.evaluation.comparison.compared_arms import arm_record, compared_arms_of, refusal
from bertft_core.evaluation.comparison.example_scores import read_example_scores
from bertft_core.evaluation.comparison.pairing import has_same_examples, pair_refusal, pair_seeds
from bertft_core.evaluation.comparison.request import ComparisonRequest, plan_comparison
from bertft_core.records.comparison_record import ComparisonNote, Refusal
from bertft_core.storage.predictions import read_predictions, write_predictions
from bertft_core.storage.study_dir import StudyDir
from tests.helpers.evaluated_studies import make_results
from tests.helpers.small_records import make_card

FOUR = [0.7, 0.8, 0.75, 0.65]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    return make_results(home, {"features": ["diverged", "collapsed", 0.6, 0.65], "full": FOUR})


@pytest.fixture
def full(results, tmp_path):
    """An arm whose predictions a test may change."""
    own = StudyDir(tmp_path, results.study.name)
    shutil.copytree(results.study_dir.path, own.path)
    return compared_arms_of([replace(results, study_dir=own)])[1]


def test_collapsed_runs_count_and_runs_without_a_score_are_left_out_with_the_reason(results):
    features, full = (arm_record(arm) for arm in compared_arms_of([results]))
    assert (features.n_seeds, features.seeds, features.collapsed) == (3, (1, 2, 3), (1,))
    assert features.counts == {"collapsed": 1, "diverged": 1, "ok": 2}
    assert (full.n_seeds, full.counts, full.n_without_scores) == (4, {"ok": 4}, 0)
    assert full.values("best/test/accuracy") == pytest.approx(FOUR, abs=0.02)
    assert "best/test/f1/positive" not in full.scores


def test_fewer_than_three_seeds_are_refused(tmp_path):
    results = make_results(tmp_path, {"features": [0.6, 0.6, "failed"], "full": [0.7, 0.7, 0.8]})
    features, full = compared_arms_of([results])
    assert refusal(full) is None
    assert refusal(features) == Refusal(reason="few_seeds", arm="features")


def test_selected_seeds_are_refused(tmp_path):
    changes = {"seeds": {"start": 4, "stop_at": 0.5, "keep": 3}}
    arm = compared_arms_of([make_results(tmp_path, {"full": FOUR}, **changes)])[0]
    assert refusal(arm) == Refusal(reason="selected_seeds", arm="full")


def test_arms_of_one_study_are_paired_by_their_seeds_and_those_without_a_partner_are_left_out(results):
    features, full = compared_arms_of([results])
    pairing = pair_seeds(full, features)
    assert pairing.paired
    assert (pairing.arm, pairing.baseline) == ((1, 2, 3), (1, 2, 3))
    assert (pairing.n_shared, len(full.seeds)) == (3, 4)


def test_studies_with_other_seeds_are_not_paired_though_their_indices_agree(tmp_path):
    one = make_results(tmp_path, {"full": FOUR}, name="one", seed=1)
    two = make_results(tmp_path, {"full": FOUR[:3]}, name="two", seed=2)
    a, b = compared_arms_of([one, two])
    assert (a.name, b.name) == ("one · full", "two · full")
    pairing = pair_seeds(b, a)
    assert not pairing.paired
    assert (pairing.arm, pairing.baseline) == ((0, 1, 2), (0, 1, 2, 3))
    assert pairing.n_shared == 0


def test_examples_are_the_same_by_their_fingerprint_whatever_the_tokenizer(tmp_path):
    card = make_card(tmp_path)
    test = card.splits["test"].model_copy(update={"sha256": "b" * 64})
    other = card.model_copy(update={"fingerprint": "0" * 64, "splits": card.splits | {"test": test}})
    tokenised = card.model_copy(update={"fingerprint": "1" * 64})
    one = make_results(tmp_path, {"full": FOUR}, name="one", card=card)
    data = {"source": "bundled", "name": "reviews", "max_length": 64}
    cases = {
        "tokenised": (make_results(tmp_path, {"full": FOUR}, name="two", card=tokenised, data=data), True, True),
        "another cut": (make_results(tmp_path, {"full": FOUR}, name="three", card=other), False, True),
        "other data": (make_results(tmp_path, {"full": FOUR}, name="four", card=other, data=data), False, False),
    }
    for name, (two, same, comparable) in cases.items():
        a, b = compared_arms_of([one, two])
        refused = pair_refusal(a, b, "test")
        assert (has_same_examples(a, b, "test"), refused is None) == (same, comparable), name
        assert refused is None or (refused.reason, refused.n_examples) == ("other_data", (40, 40))
    labels = make_results(tmp_path, {"full": FOUR}, name="five", card=card.model_copy(update={"labels": ("no", "yes")}))
    assert pair_refusal(*compared_arms_of([one, labels]), "test").reason == "other_labels"
    missing = pair_refusal(*compared_arms_of([one, one]), "elsewhere")
    assert (missing.reason, missing.n_examples) == ("missing_split", (None, None))


def _rewrite(arm, index, change):
    record = arm.record(index)
    path = arm.results.run_dir_of(record.digest) / record.predictions["best"]["test"]
    write_predictions(path, change(read_predictions(path)))


def test_predictions_are_aligned_by_example_id(full):
    before = read_example_scores(full, "best", "test")
    order = np.random.default_rng(0).permutation(40)
    _rewrite(full, 2, lambda table: table.take(pa.array(order)))
    after = read_example_scores(full, "best", "test")
    assert after.example_ids == before.example_ids
    assert after.unit == "example"
    for seed in before.right:
        assert (after.right[seed] == before.right[seed]).all()
        accuracy = after.of_metric("accuracy", [seed])[0]
        assert float(accuracy.finish(accuracy.values.sum(axis=0))) == full.scores("best/test/accuracy")[seed]
    assert after.of_metric("no such metric", [0]) is None


@pytest.mark.parametrize(
    "change", [lambda table: table.slice(1), lambda table: pa.concat_tables([table.slice(1), table.slice(1, 1)])]
)
def test_other_examples_and_examples_twice_are_not_aligned(full, change):
    _rewrite(full, 2, change)
    assert read_example_scores(full, "best", "test") == ComparisonNote(kind="different_examples", arm="full", seed=2)


def test_missing_predictions_are_noted(full):
    record = full.record(3)
    (full.results.run_dir_of(record.digest) / record.predictions["best"]["test"]).unlink()
    assert read_example_scores(full, "best", "test") == ComparisonNote(kind="predictions_missing", arm="full", seed=3)


def test_a_plan_has_every_pair_once_and_the_headline_first(tmp_path):
    results = make_results(tmp_path, {"a": FOUR, "b": FOUR, "c": FOUR})
    plan = plan_comparison([results], ComparisonRequest())
    assert [(arm.name, baseline.name) for arm, baseline in plan.pairs] == [("b", "a"), ("c", "a"), ("c", "b")]
    assert plan.key == "best/test/accuracy"
    assert plan.metrics[0] == "accuracy"
    assert set(plan.metrics) <= set(results.study.head.metrics)
    assert (plan.direction("accuracy"), plan.direction("ece"), plan.direction("f1/positive")) == (
        "maximize",
        "minimize",
        "maximize",
    )
    against = plan_comparison([results], ComparisonRequest(metric="mcc", split="validation", checkpoint="final", baseline="b"))
    assert [(arm.name, baseline.name) for arm, baseline in against.pairs] == [("a", "b"), ("c", "b")]
    assert against.key == "final/validation/mcc"
    assert [arm.name for arm in plan_comparison([results], ComparisonRequest(arms=("c", "a"))).arms] == ["a", "c"]


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        (ComparisonRequest(metric="accurancy"), "did you mean 'accuracy'"),
        (ComparisonRequest(split="nowhere"), "one of validation, test, other_domain"),
        (ComparisonRequest(checkpoint="last"), "one of best, final"),
        (ComparisonRequest(arms=("ful",)), "did you mean 'full'"),
        (ComparisonRequest(baseline="ful"), "did you mean 'full'"),
        (ComparisonRequest(n_resamples=3), "100 or more"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(results, wrong, found):
    with pytest.raises(UserError, match=found):
        plan_comparison([results], wrong)
