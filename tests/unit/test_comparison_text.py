"""A comparison in the terminal: tables, sentences, and what was not compared."""

import pytest

from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.request import ComparisonRequest
from bertft_core.evaluation.summarize import evaluated
from bertft_core.report.comparison_table import claims_text
from bertft_core.report.text_table import result_table
from tests.helpers.evaluated_studies import make_results
from tests.helpers.small_records import make_card


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    home = tmp_path_factory.mktemp("text")
    card = make_card(home, splits={"train": 80, "validation": 40, "test": 400})
    accuracies = {"base": [0.6, 0.61, 0.62, 0.6], "good": [0.76, 0.77, "diverged", 0.76], "late": ["failed", 0.6, 0.61, "failed"]}
    return make_results(home, accuracies, card=card)


@pytest.fixture(scope="module")
def comparison(results):
    return compare_studies([results], ComparisonRequest(n_resamples=500))


def test_tables_sentences_refusals_and_runs_left_out_are_told(comparison):
    text = claims_text(comparison)
    (pair,) = comparison.headline_pairs
    assert text.startswith("accuracy on test, best checkpoint\narm   seeds  collapsed  mean   sd     min    max\nbase  4      0")
    assert f"\ngood − base  +{pair.difference:.3f} " in text
    assert f"\n{pair.sentence}.\n" in text
    assert f"{comparison.refused[0]}." in text
    assert "Not compared: 1 of 4 good runs diverged and have no score; 2 of 4 late runs failed and have no score." in text
    assert ".." not in text


def test_other_metrics_are_told_where_something_is_claimed_and_together_where_nothing_is(comparison):
    unsure = [
        pair.model_copy(update={"claimed": pair.claimed and pair.metric not in ("mcc", "ece")}) for pair in comparison.pairs
    ]
    text = claims_text(comparison.model_copy(update={"pairs": tuple(unsure)}))
    claimed = {pair.metric for pair in unsure if pair.claimed} - {"accuracy"}
    assert claimed
    assert all(f"\n{metric} " in text for metric in claimed)
    (nothing,) = [line for line in text.splitlines() if line.startswith("nothing on")]
    assert set(nothing.removeprefix("nothing on").strip().split(", ")) == {pair.metric for pair in unsure} - claimed - {
        "accuracy"
    }
    assert "nothing on" not in claims_text(comparison.model_copy(update={"pairs": comparison.headline_pairs}))


def test_a_study_tells_its_pairs_and_an_arm_that_has_none_its_difference(results):
    summary = evaluated(results).summary
    (pair,) = summary.comparison.headline_pairs
    table = result_table(summary)
    assert f"{pair.sentence}." in table
    by_arm = {difference.arm: f"{difference.sentence}." for difference in summary.differences}
    assert by_arm["late"] in table
    assert by_arm["good"] not in table


def test_one_arm_has_nothing_to_be_compared_with(tmp_path):
    results = make_results(tmp_path, {"alone": [0.6, 0.7, 0.8]})
    summary = evaluated(results).summary
    assert summary.comparison is None
