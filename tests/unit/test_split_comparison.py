"""Arms over splits of the same examples: no number and no word takes the runs for independent."""

from __future__ import annotations

import numpy as np
import pytest

from bertft_core.data.prepared_split import open_split
from bertft_core.evaluation import frames
from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.compared_arms import compared_arms_of
from bertft_core.evaluation.comparison.pooled_predictions import pooled_scores
from bertft_core.evaluation.comparison.request import ComparisonRequest
from bertft_core.evaluation.diagnosis.diagnose_study import run_check
from bertft_core.evaluation.insights.between_studies import variance_between
from bertft_core.evaluation.insights.detectable_effect import ArmMetric
from bertft_core.metrics import METRICS
from bertft_core.records.probe_summary import ProbeRow, ProbeSummary
from bertft_core.records.seeds_answer import CountedSeeds
from bertft_core.report import comparison_section, paper_tables, probe_section, summary_rows
from bertft_core.report.comparison_table import comparison_table
from bertft_core.report.formatting import intervals, numbers
from bertft_core.report.prose import (
    comparison_notes,
    comparison_text,
    diagnosis_findings,
    diagnosis_hints,
    paper_checklist,
    paper_text,
    study_question,
    study_text,
    variance_text,
)
from bertft_core.report.seeds_text import seeds_text
from bertft_core.report.text_table import result_table
from bertft_core.statistics.repeated_splits import split_mean
from bertft_core.statistics.shared_by_runs import Splits
from bertft_core.statistics.split_tests import corrected_t, five_by_two_f
from bertft_core.storage.predictions import read_predictions
from tests.helpers.drawn_studies import drawn_results

FOLDS = {"folds": 3, "repeats": 3}
SKILL = {"low": 0.55, "high": 0.9}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return drawn_results(tmp_path_factory.mktemp("folds"), FOLDS, SKILL)


@pytest.fixture(scope="module")
def comparison(results):
    return compare_studies([results], ComparisonRequest(n_resamples=300))


def scores_of(results, arm, key="best/test/accuracy"):
    found = results.summary.arms[[each.arm for each in results.summary.arms].index(arm)]
    return np.array([seed.scores[key] for seed in found.seeds])


def test_the_row_of_an_arm_allows_for_what_the_splits_share(results):
    row = summary_rows.row_of(results.summary.arms[1], "test", "best", "accuracy")
    found = split_mean(scores_of(results, "high"), Splits(tuple(range(9)), 0.5))
    low, high = found.interval()
    assert (row.t_low, row.t_high) == pytest.approx((low, min(1.0, high)))
    assert row.sd == pytest.approx(scores_of(results, "high").std(ddof=1))
    assert (row.bootstrap_low, row.sd_low, row.sd_unbiased) == (None, None, None)


def test_a_pair_is_tested_over_splits(results, comparison):
    (pair,) = comparison.headline_pairs
    first, second = scores_of(results, "high"), scores_of(results, "low")
    splits = Splits(tuple(range(9)), 0.5, 3, 3)
    assert pair.splits.test.name == "corrected resampled t"
    assert pair.p_value == pair.splits.test.p == pytest.approx(corrected_t(first, second, splits).p)
    assert (pair.interval.low, pair.interval.high) == pytest.approx(split_mean(first - second, splits).interval())
    assert (pair.splits.n_splits, pair.splits.test_to_train, pair.p_of) == (9, pytest.approx(0.5), "splits")
    assert pair.difference == pytest.approx((first - second).mean())
    assert pair.superiority.value == pytest.approx(np.mean((first > second) + 0.5 * (first == second)))
    assert (pair.superiority.low, pair.aso, pair.effects, pair.stability, pair.source) == (None, None, {}, (), None)


def test_the_pooled_predictions_are_those_of_every_example_once_in_each_repeat(results, comparison):
    arm = next(arm for arm in compared_arms_of([results]) if arm.name == "high")
    pooled = pooled_scores(arm, "best")
    whole = sorted(name for draw in results.card.draws[:3] for name in open_split(draw.directory, "test").example_ids)
    assert list(pooled.example_ids) == whole
    assert len(pooled.statistics) == 3
    for column, statistics in pooled.statistics.items():
        runs = [arm.record(i) for i, seed in arm.seeds.items() if seed.split.repeat == column.repeat]
        tables = [read_predictions(results.run_dir_of(run.digest) / run.predictions["best"]["test"]) for run in runs]
        together = tables[0].__class__.from_batches([b for t in tables for b in t.to_batches()]).combine_chunks()
        wanted = METRICS["classification"].compute(together, ("negative", "positive"))
        for metric in ("accuracy", "f1_macro", "mcc"):
            score = statistics[metric].finish(statistics[metric].values.sum(axis=0))
            assert float(score) == pytest.approx(wanted[metric])
    (pair,) = comparison.headline_pairs
    assert (pair.n_examples, pair.unit) == (24, "example")
    assert pair.examples.low < pair.difference < pair.examples.high
    assert pair.disagreement.p is None
    total = (
        pair.disagreement.both_right + pair.disagreement.only_arm + pair.disagreement.only_baseline + pair.disagreement.both_wrong
    )
    assert total == pytest.approx(24)


def test_two_folds_five_times_must_pass_alpaydins_test_too(tmp_path):
    results = drawn_results(tmp_path, {"folds": 2, "repeats": 5}, SKILL)
    (pair,) = compare_studies([results], ComparisonRequest(n_resamples=200)).headline_pairs
    both = (scores_of(results, "high"), scores_of(results, "low"), Splits(tuple(range(10)), 1.0, 2, 5))
    tests = sorted([corrected_t(*both), five_by_two_f(*both)], key=lambda test: test.p)
    assert (pair.splits.test.name, pair.p_value) == (tests[1].name, pytest.approx(tests[1].p))
    assert {test.name for test in pair.tests} == {"corrected resampled t", "5x2cv F"}


@pytest.mark.parametrize(("design", "ratio"), [({"resamples": 4, "test_ratio": 0.25}, 1 / 3), ({"bootstrap": 4}, None)])
def test_other_splits_have_the_test_and_nothing_pooled(tmp_path, design, ratio):
    results = drawn_results(tmp_path, design, SKILL, n=2)
    (pair,) = compare_studies([results], ComparisonRequest(n_resamples=200)).headline_pairs
    assert (pair.splits.n_splits, pair.n_seeds_arm, pair.both, pair.n_examples) == (4, 8, None, None)
    sizes = [draw.splits["test"].n_examples for draw in results.card.draws]
    wanted = float(np.mean([n / (24 - n) for n in sizes])) if ratio is None else ratio
    assert pair.splits.test_to_train == pytest.approx(wanted)
    means = scores_of(results, "high").reshape(2, 4) - scores_of(results, "low").reshape(2, 4)  # the second seeds come last
    assert pair.interval.low == pytest.approx(split_mean(means.mean(axis=0), Splits(tuple(range(4)), wanted)).interval()[0])


def test_arms_on_other_splits_are_not_compared(tmp_path):
    studies = [
        drawn_results(tmp_path / name, {"folds": 3}, {name: 0.8}, n=2, name=name, seed=seed)
        for name, seed in (("a", 0), ("b", 1))
    ]
    found = compare_studies(studies, ComparisonRequest(n_resamples=200))
    assert [refusal.reason for refusal in found.refused] == ["other_splits"]
    assert not found.pairs


def test_arms_are_not_compared_on_a_set_that_all_splits_share(tmp_path):
    far = tmp_path / "far.csv"
    far.write_text("text,label\ngood soup,positive\nbad soup,negative\na film,positive\n")
    results = drawn_results(tmp_path / "study", {"folds": 3}, SKILL, data={"out_of_domain": {"far": str(far)}})
    found = compare_studies([results], ComparisonRequest(split="far", n_resamples=200))
    (refused,) = found.refused
    assert (refused.reason, found.pairs) == ("same_test_set", ())
    assert "are tested on the same examples of far" in comparison_notes.refusal(refused, found)
    assert not compare_studies([results], ComparisonRequest(n_resamples=200)).refused


def test_an_arm_that_lost_a_fold_is_pooled_without_that_repeat(tmp_path):
    results = drawn_results(tmp_path, FOLDS, SKILL)
    lost = results.planned[0]
    run = results.run_dir_of(lost.digest)
    (run / "predictions" / "test.parquet").unlink()
    arm = next(arm for arm in compared_arms_of([results]) if arm.name == lost.arm)
    assert {column.repeat for column in pooled_scores(arm, "best").statistics} == {1, 2}


def test_sentences_tell_splits_and_not_seeds(results, comparison):
    (pair,) = comparison.headline_pairs
    sentence = comparison_text.pair(pair, comparison)
    assert "over 9 splits (3 folds × 3) and 24 examples" in sentence
    assert "seeds" not in sentence
    assert "seeds" not in study_text.gain_over_majority(results.summary.gains_over_majority[0], results.summary)
    said = result_table(results.summary)
    assert "9 splits of the same examples" in said
    assert "Nadeau & Bengio" in said
    cautions = " ".join(study_text.cautions(results.study, results.summary))
    assert "about ten seeds" not in cautions
    assert "not for the choice of examples" not in cautions
    assert "3 folds, divided anew 3 times" in study_question.question(results.study, results.card, results.summary)
    notes = comparison_section.section(comparison, [])["notes"]
    assert any("not independent" in note for note in notes)
    assert not any("With" in note and "seeds" in note for note in notes)


def test_pooled_intervals_stand_beside_the_difference_of_the_pooled_predictions(results, comparison):
    arms = {arm.name: pooled_scores(arm, "best") for arm in compared_arms_of([results])}
    for pair in (pair for pair in comparison.pairs if pair.metric in ("accuracy", "f1_macro")):
        means = {}
        for name, pooled in arms.items():
            of_columns = [found[pair.metric] for found in pooled.statistics.values()]
            means[name] = np.mean([float(each.finish(each.values.sum(axis=0))) for each in of_columns])
        assert pair.pooled_difference == pytest.approx(means[pair.arm] - means[pair.baseline])
    differs = next(pair for pair in comparison.pairs if pair.metric == "f1_macro")
    assert abs(differs.pooled_difference - differs.difference) > 1e-4, "so that the two are told apart"
    (pair,) = comparison.headline_pairs
    said = f"{numbers.signed(pair.pooled_difference)} ({intervals.resampled(pair.examples)})"
    assert comparison_section.section(comparison, [])["rows"][0]["examples"] == said
    assert said in comparison_table(comparison)
    assert "of the pooled out-of-fold predictions" in comparison_table(comparison)


def test_the_chance_to_be_better_is_that_of_runs_in_the_caption_too(tmp_path):
    comparison = compare_studies([drawn_results(tmp_path, {"folds": 3}, SKILL, n=2)], ComparisonRequest(n_resamples=200))
    assert comparison.headline_pairs[0].n_seeds_arm == 6
    assert "P(A > B): in how many paired runs the arm is better" in paper_tables.pairs_table(comparison).caption


def test_no_runs_on_splits_are_called_seeds_and_no_search_or_number_of_seeds_is_advised(results):
    checks = {name: run_check(name, results) for name in ("few_seeds", "truncation", "small_sets")}
    said = {name: [diagnosis_findings.finding(found) for found in check.findings] for name, check in checks.items()}
    assert said["few_seeds"] == ["low has 9 scored runs, high has 9 scored runs"]
    assert said["truncation"][0].startswith("in the first of 9 splits, ")
    assert [each.partition(":")[0] for each in said["small_sets"]] == [
        f"in the first of 9 splits, {results.card.splits['validation'].n_examples} examples in validation",
        "24 examples in test, over all 9 splits",
    ]
    gains = [each.model_copy(update={"mean": -0.1}) for each in results.summary.gains_over_majority]
    lost = results.with_summary(results.summary.model_copy(update={"gains_over_majority": tuple(gains)}))
    for given in run_check("above_constant", lost).hints:
        assert diagnosis_hints.hint(given).startswith("choose another learning rate for ")
    counted = CountedSeeds.model_construct(
        study="s", metric="m", split="test", checkpoint="best", nothing="split_design", seeds_needed=(), aims=(), variance=(),
        between_studies=(), exceeding=(), start_many=(), pairs_to_tell_a_winner=29,
    )  # fmt: skip
    assert "29" not in seeds_text(counted)
    assert "29" in seeds_text(counted.model_copy(update={"nothing": "selected_seeds"}))


def test_the_paper_says_of_which_split_its_numbers_are(results):
    said = {item.question: item.answer for item in paper_checklist.checklist(results)}
    first = "in the first of 9 splits of 24 examples, each with its own validation part"
    sizes = said["How many examples are there in each split?"]
    assert first in sizes
    assert f"{results.card.splits['train'].n_examples} train" in sizes
    assert sum(first in answer for answer in said.values() if answer and answer.startswith("In training")) == 1


def test_tables_and_paper_name_the_test(results, comparison):
    results = results.with_summary(results.summary.model_copy(update={"comparison": comparison}))
    tables = {
        table.name: table
        for table in paper_tables.tables_of(paper_tables.scores_of_summary(results.summary), comparison.headline_key, comparison)
    }
    assert "runs on splits of the same examples" in tables["results"].caption
    assert "corrected resampled t-test" in tables["pairs"].caption
    said = paper_text.statistics(results)
    assert "Nadeau & Bengio" in said
    assert "multi-bootstrap" not in said
    rows = frames.runs(results)
    assert rows[["split", "repeat", "fold", "seed"]].iloc[4].tolist() == [4, 1, 1, 0]


def test_nothing_is_estimated_that_needs_independent_runs(results):
    insights = results.summary.insights
    assert insights.seeds_needed == ()
    assert [absent.reason for absent in insights.agreement_refused] == ["different examples"] * 2
    views = [*insights.budgets, *insights.start_many]
    assert [view.refused.reason for view in views] == ["splits share examples"] * 4


def test_the_gain_of_an_arm_that_is_no_better_has_as_many_digits_as_others(results):
    gain = results.summary.gains_over_majority[0].model_copy(update={"mean": 1e-17, "t_low": -0.14033269140995, "t_high": 0.14})
    assert "(95 % interval −14.0 to +14.0 includes zero)" in study_text.gain_over_majority(gain, results.summary)


def test_arms_that_are_alike_on_every_split_have_no_interval_and_are_still_on_splits(tmp_path):
    results = drawn_results(tmp_path, {"folds": 3}, {"a": 1.0, "b": 1.0})
    comparison = compare_studies([results], ComparisonRequest(n_resamples=200))
    (pair,) = comparison.headline_pairs
    assert (pair.difference, pair.interval, pair.p_value, pair.splits.n_splits) == (0.0, None, None, 3)
    assert "over 3 splits (3 folds) and 24 examples: no difference is claimed" in comparison_text.pair(pair, comparison)


def test_studies_over_splits_of_the_same_examples_are_not_tested_against_each_other(results):
    again = drawn_results(results.study_dir.home_dir.parent, FOLDS, SKILL, seed=1, name="again")
    for each in variance_between([(one.study, one.summary) for one in (results, again)], ArmMetric("accuracy", "test", "best")):
        assert (each.between.f_p, each.between.low, each.within.high) == (None, None, None)
        assert "F test" not in variance_text.between_studies(each)
    compared = compare_studies([results, again], ComparisonRequest(n_resamples=300))
    assert [component.f_p for component in compared.components] == [None, None]


def test_the_interval_of_a_probe_allows_for_what_the_splits_share(results):
    values = {index: float(score) for index, score in enumerate(scores_of(results, "high"))}
    row = ProbeRow(
        arm="high", probe="calibration", measure="ece", where="test", n=9, mean=0.5, sd=0.1, min=0, max=1, values=values
    )
    probes_of = results.summary.model_copy(update={"probes": ProbeSummary(rows=(row,))})
    (part,) = probe_section.section(results.with_summary(probes_of))["parts"]
    drawn = part["pictures"][0]["svg"].draw.args[0]
    assert (drawn[0].low, drawn[0].high) == pytest.approx(split_mean([*values.values()], Splits(tuple(range(9)), 0.5)).interval())
