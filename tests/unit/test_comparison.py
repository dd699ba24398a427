"""Comparisons of arms from stored predictions: what is claimed, what is inconclusive, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ttest_rel

from bertft_core.config.data_settings import BundledData
from bertft_core.evaluation.comparison import example_scores
from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.pair_estimates import Sample, estimate
from bertft_core.evaluation.comparison.pairing import Pairing
from bertft_core.evaluation.comparison.request import ComparisonRequest
from bertft_core.evaluation.comparison.seed_tests import SeedTestSettings
from bertft_core.records.comparison_record import Comparison, ComparisonNote, Refusal
from bertft_core.report.prose import comparison_notes, comparison_text, study_text
from bertft_core.statistics.resampling import Draws, resample_examples
from tests.helpers.evaluated_studies import make_results
from tests.helpers.score_grids import mean_over_examples
from tests.helpers.small_records import make_card

FEW = ComparisonRequest(n_resamples=500)
BIG = {"train": 80, "validation": 40, "test": 400}
LOW, HIGH = [0.60, 0.61, 0.62, 0.60, 0.61], [0.80, 0.81, 0.82, 0.80, 0.82]


def _card(home, **splits):
    return make_card(home, splits=BIG | splits)


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """Two arms that differ by 20 points, each with five seeds that hardly differ."""
    home = tmp_path_factory.mktemp("apart")
    return make_results(home, {"features": LOW, "full": HIGH}, card=_card(home))


@pytest.fixture(scope="module")
def compared(apart):
    return compare_studies([apart], FEW)


def test_a_difference_that_is_large_for_seeds_and_examples_is_claimed(compared):
    (pair,) = compared.headline_pairs
    assert (pair.arm, pair.baseline, pair.key) == ("full", "features", "best/test/accuracy")
    assert pair.difference == pytest.approx(np.mean(HIGH) - np.mean(LOW), abs=1e-9)
    assert (pair.mean_arm, pair.mean_baseline) == pytest.approx((np.mean(HIGH), np.mean(LOW)), abs=1e-9)
    assert (pair.claimed, pair.verdict) == (True, "claimed")
    assert pair.better == "full"
    assert (pair.paired, pair.n_shared_seeds) == (True, 5)
    assert (pair.n_seeds_arm, pair.n_seeds_baseline, pair.n_examples, pair.unit) == (5, 5, 400, "example")
    assert 0 < pair.both.low < pair.difference < pair.both.high
    assert pair.source == "examples"
    assert pair.p_holm == pytest.approx(0.032, abs=5e-4)


def test_a_pair_has_order_tests_stability_disagreement_and_effect_sizes(compared):
    pair = compared.headline_pairs[0]
    assert pair.superiority.value == 1.0
    assert pair.superiority.low < 1.0
    assert (pair.aso.eps_min, pair.aso.tau, pair.aso.confidence) == (0.0, 0.2, 0.95)
    assert [test.name for test in pair.tests] == ["paired t", "Wilcoxon signed rank", "permutation"]
    assert pair.tests[0].p == pytest.approx(ttest_rel(HIGH, LOW).pvalue, rel=1e-6)
    assert pair.tests[2].p == 2 / 2**5
    assert [test.name for test in pair.stability] == ["Brown-Forsythe", "Levene", "Pitman-Morgan"]
    assert pair.sd_ratio.value == pytest.approx(np.std(HIGH, ddof=1) / np.std(LOW, ddof=1))
    cells = pair.disagreement
    assert cells.both_right + cells.only_arm == pytest.approx(400 * pair.mean_arm)
    assert cells.both_right + cells.only_baseline == pytest.approx(400 * pair.mean_baseline)
    assert cells.p < 0.001
    assert pair.effects.keys() == {"cohens_d", "hedges_g", "paired_d", "cliffs_delta"}


def test_what_is_dear_is_made_for_the_headline_alone(compared):
    other = compared.pair("full", "features", "best/test/mcc")
    assert (other.aso, other.disagreement) == (None, None)
    assert len(other.tests) == 3


def test_runs_that_share_seeds_claim_nothing(tmp_path):
    """A grid of 2 × 2 with scores as far apart as those that are claimed of a plain sample of seeds."""
    grid = {"design": {"crossed": {"init": 2, "order": 2}}}
    results = make_results(tmp_path, {"features": LOW[:4], "full": HIGH[:4]}, card=_card(tmp_path), seeds=grid)
    comparison = compare_studies([results], FEW)
    (pair,) = comparison.headline_pairs
    assert pair.examples.low > 0
    assert (pair.both, pair.seeds, pair.tests, pair.stability) == (None, None, (), ())
    assert (pair.claimed, pair.verdict, pair.p_value, comparison.n_tests) == (False, "inconclusive", None, 0)
    assert (pair.crossed, pair.interval) == (True, None)
    assert ComparisonNote(kind="crossed_design", study="small") in comparison.notes


def test_less_is_more_in_the_order_of_a_loss(compared):
    pair = compared.pair("full", "features", "best/test/log_loss")
    assert pair.superiority.value == 1.0
    assert pair.effects["cliffs_delta"] == -1.0


def test_the_more_stable_arm_is_named(tmp_path):
    wild = [0.6, 0.9, 0.65, 0.85, 0.7, 0.55, 0.95, 0.6]
    results = make_results(tmp_path, {"features": wild, "full": [0.7, 0.71, 0.7, 0.72, 0.7, 0.71, 0.7, 0.72]})
    (pair,) = compare_studies([results], FEW).headline_pairs
    assert pair.sd_ratio.value < 0.2
    assert next(test.p for test in pair.stability if test.name == "Brown-Forsythe") < 0.05


def test_the_comparison_says_what_it_is_of(compared, apart):
    assert (compared.studies, compared.title, compared.headline_key) == (("small",), "small", "best/test/accuracy")
    assert [arm.name for arm in compared.arms] == ["features", "full"]
    assert (compared.n_resamples, compared.level, compared.refused) == (500, 0.95, ())
    assert {pair.metric for pair in compared.pairs} == set(apart.study.head.metrics)
    assert compared.pairs[0].metric == "accuracy"
    assert compared.n_tests == len(compared.pairs) == len(apart.study.head.metrics)
    assert Comparison.model_validate_json(compared.model_dump_json()) == compared


def test_holm_is_over_all_pairs_and_metrics(compared):
    ps = sorted(pair.p_value for pair in compared.pairs)
    wanted = np.minimum(1, np.maximum.accumulate([p * (len(ps) - i) for i, p in enumerate(ps)]))
    assert sorted(pair.p_holm for pair in compared.pairs) == pytest.approx(wanted)
    assert all(pair.claimed == (pair.p_holm <= 0.05) for pair in compared.pairs)


def test_seeds_can_help_although_most_of_the_variance_is_of_the_examples(tmp_path):
    """Three seeds claim nothing, ten of the same spread do; on a tenth of the examples no number of seeds would."""
    scores = {"features": [0.6, 0.61, 0.62], "full": [0.68, 0.74, 0.71]}
    few, small = (
        compare_studies([make_results(tmp_path / str(n), scores, card=_card(tmp_path / str(n), test=n))], FEW).headline_pairs[0]
        for n in (500, 50)
    )
    assert (few.source, few.claimed, small.claimed) == ("examples", False, False)
    assert few.p_holm > 0.05 > few.p_many_seeds
    assert small.p_many_seeds > 0.05
    more = {arm: (values * 4)[:10] for arm, values in scores.items()}
    more = make_results(tmp_path / "more", more, card=_card(tmp_path / "more", test=500))
    assert compare_studies([more], FEW).headline_pairs[0].claimed


def test_metrics_share_drawings_as_far_as_memory_allows_and_have_the_same_numbers_without(apart, compared, monkeypatch):
    drawings = []

    def counted(arms, *how):
        drawings.append(len(arms))
        return resample_examples(arms, *how)

    monkeypatch.setattr(example_scores, "resample_examples", counted)
    assert compare_studies([apart], FEW) == compared
    (together,) = drawings
    assert together >= 2 * 4
    monkeypatch.setattr(example_scores, "n_numbers", lambda seeds: example_scores.MAX_NUMBERS // 2)  # of one arm
    drawings.clear()
    assert compare_studies([apart], FEW) == compared
    assert drawings == [2] * (together // 2)


def test_a_pair_knows_its_resamples(apart):
    """Other metrics than the headline have at most 2,000."""
    found = compare_studies([apart], ComparisonRequest(n_resamples=2500))
    assert found.pair("full", "features").n_resamples == 2500
    assert found.pair("full", "features", "best/test/mcc").n_resamples == 2000


def test_too_few_resamples_for_so_many_tests_are_noted(compared, apart):
    assert "few_resamples" not in {note.kind for note in compared.notes}
    found = compare_studies([apart], ComparisonRequest(n_resamples=100))
    assert not any(pair.claimed for pair in found.pairs)
    assert ComparisonNote(kind="few_resamples", n=640) in found.notes
    assert len(found.pairs) == 8
    sentence = comparison_text.pair(found.headline_pairs[0], found)
    assert (
        "inconclusive (p = 0.16 after Holm's correction over 8 tests, which 100 resamples are too few to bring below 0.05"
        in sentence
    )
    assert "too few" not in comparison_text.pair(compared.headline_pairs[0], compared)


def test_the_same_studies_give_the_same_numbers_and_other_resamples_give_others(compared, apart):
    assert compare_studies([apart], FEW) == compared
    assert compare_studies([apart], ComparisonRequest(n_resamples=501)).pairs[0].both != compared.pairs[0].both


def test_lower_is_better_where_the_metric_says_so(compared):
    pair = compared.pair("full", "features", "best/test/log_loss")
    assert pair.direction == "minimize"
    assert pair.difference < 0
    assert pair.better == "full"


def test_a_difference_within_the_noise_of_seeds_is_inconclusive_because_of_the_seeds(tmp_path):
    results = make_results(
        tmp_path, {"features": [0.6, 0.9, 0.65, 0.85, 0.7], "full": [0.9, 0.6, 0.9, 0.65, 0.8]}, card=_card(tmp_path, test=2000)
    )
    (pair,) = compare_studies([results], FEW).headline_pairs
    assert not pair.claimed
    assert pair.source == "seeds"
    assert pair.both.low < 0 < pair.both.high


def test_a_difference_that_seeds_alone_would_claim_is_not_claimed_on_few_examples(tmp_path):
    results = make_results(tmp_path, {"features": [0.7, 0.7, 0.7, 0.7, 0.725], "full": [0.775, 0.775, 0.8, 0.775, 0.775]})
    (pair,) = compare_studies([results], FEW).headline_pairs
    assert pair.seeds.low > 0
    assert not pair.claimed
    assert pair.source == "examples"


def test_arms_with_the_same_answers_are_equal(tmp_path):
    results = make_results(tmp_path, {"aaaa": [0.7, 0.8, 0.75], "bbbb": [0.7, 0.8, 0.75]})
    (pair,) = compare_studies([results], FEW).headline_pairs
    assert pair.difference == 0.0
    assert pair.better is None
    assert not pair.claimed


def test_an_arm_with_two_scores_is_refused_and_the_others_are_compared(tmp_path):
    accuracies = {"a": [0.6, 0.6, "diverged", "failed"], "b": [0.7, 0.7, 0.7, 0.65], "c": [0.7, 0.8, 0.7, 0.75]}
    found = compare_studies([make_results(tmp_path, accuracies)], FEW)
    assert [(pair.arm, pair.baseline) for pair in found.headline_pairs] == [("c", "b")]
    assert found.refused == (Refusal(reason="few_seeds", arm="a"),)
    assert (found.arm("a").n_seeds, found.arm("a").counts) == (2, {"diverged": 1, "failed": 1, "ok": 2})


def test_collapsed_runs_count_and_the_numbers_without_them_leave_them_out_in_pairs(tmp_path):
    accuracies = {"features": [0.6, 0.61, 0.6, 0.62], "full": [0.8, "collapsed", 0.81, 0.8]}
    (pair,) = compare_studies([make_results(tmp_path, accuracies, card=_card(tmp_path))], FEW).headline_pairs
    second = pair.without_collapsed
    assert pair.n_seeds_arm == 4
    assert pair.mean_arm == pytest.approx(np.mean([0.8, 0.5, 0.81, 0.8]))
    assert (second.n_seeds_arm, second.n_seeds_baseline) == (3, 3)
    assert second.difference == pytest.approx(np.mean([0.8, 0.81, 0.8]) - np.mean([0.6, 0.6, 0.62]))
    assert second.both.low > 0 > pair.both.low


def test_without_stored_predictions_only_the_seeds_are_resampled_and_a_note_says_so(tmp_path):
    results = make_results(tmp_path, {"features": LOW, "full": HIGH}, card=_card(tmp_path))
    seed = results.summary.arms[1].seeds[2]
    record = results.records[seed.run_digest]
    (results.run_dir_of(seed.run_digest) / record.predictions["best"]["test"]).unlink()
    found = compare_studies([results], FEW)
    (pair,) = found.headline_pairs
    assert (pair.both, pair.examples, pair.n_examples, pair.unit) == (None, None, None, None)
    assert pair.seeds.low > 0
    assert pair.claimed
    assert ComparisonNote(kind="predictions_missing", arm="full", seed=2) in found.notes


def test_studies_are_compared_unpaired_on_the_same_examples(tmp_path):
    card = _card(tmp_path)
    one = make_results(tmp_path, {"full": LOW}, name="one", seed=1, card=card)
    two = make_results(tmp_path, {"full": HIGH[:4]}, name="two", seed=2, card=card)
    found = compare_studies([one, two], FEW)
    (pair,) = found.headline_pairs
    assert (pair.arm, pair.baseline) == ("two · full", "one · full")
    assert (pair.paired, pair.n_shared_seeds) == (False, 0)
    assert (pair.n_seeds_arm, pair.n_seeds_baseline, pair.n_examples) == (4, 5, 400)
    assert pair.claimed
    assert found.title == "one, two"


def test_other_cuts_of_the_same_data_are_resampled_by_themselves_and_their_variance_is_split_up(tmp_path):
    card = _card(tmp_path)
    test = card.splits["test"].model_copy(update={"sha256": "b" * 64})
    other = card.model_copy(update={"splits": card.splits | {"test": test}})
    one = make_results(tmp_path, {"full": [0.6, 0.62, 0.61]}, name="one", seed=1, card=card)
    two = make_results(tmp_path, {"full": [0.7, 0.72, 0.71]}, name="two", seed=2, card=other)
    found = compare_studies([one, two], FEW)
    (pair,) = found.headline_pairs
    assert (pair.n_examples, pair.unit, pair.disagreement) == (None, "example", None)
    spreads = [np.mean([0.6, 0.62, 0.61]), np.mean([0.7, 0.72, 0.71])]
    error = np.sqrt(sum(p * (1 - p) / 400 for p in spreads))
    assert pair.examples.high - pair.examples.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    assert pair.both.low < pair.seeds.low
    assert ComparisonNote(kind="separate_examples", arm="two · full", baseline="one · full") in found.notes
    (split_up,) = found.components
    assert (split_up.arm, split_up.studies, split_up.n_seeds) == ("full", ("one", "two"), (3, 3))
    assert split_up.within_sd == pytest.approx(0.01)
    assert split_up.between_sd == pytest.approx((0.1**2 / 2 - 0.01**2 / 3) ** 0.5)
    assert (split_up.data_differ, split_up.settings_differ) == (True, False)
    assert split_up.f_p < 0.05
    same = make_results(tmp_path, {"full": [0.7, 0.72, 0.71]}, name="same", seed=2, card=card)
    (unsplit,) = compare_studies([one, same], FEW).components
    assert (unsplit.data_differ, unsplit.settings_differ) == (False, False)


def test_without_predictions_nothing_is_claimed_of_other_cuts(tmp_path):
    card = _card(tmp_path)
    other = card.model_copy(
        update={"splits": card.splits | {"test": card.splits["test"].model_copy(update={"sha256": "b" * 64})}}
    )
    one = make_results(tmp_path, {"full": LOW}, name="one", seed=1, card=card)
    two = make_results(tmp_path, {"full": HIGH}, name="two", seed=2, card=other)
    (pair,) = compare_studies([one, replace(two, records={})], FEW).headline_pairs
    assert pair.seeds.low > 0.1
    assert (pair.both, pair.p_value, pair.p_holm, pair.claimed) == (None, None, None, False)


def test_studies_of_other_data_are_refused(tmp_path):
    card = _card(tmp_path)
    test = card.splits["test"].model_copy(update={"sha256": "b" * 64})
    other = card.model_copy(update={"splits": card.splits | {"test": test}, "fingerprint": "0" * 64})
    one = make_results(tmp_path, {"full": LOW}, name="one", card=card)
    two = make_results(tmp_path, {"full": HIGH}, name="two", card=other, data=BundledData(source="bundled", name="topics"))
    found = compare_studies([one, two], FEW)
    assert found.pairs == ()
    assert found.components == ()
    assert found.refused == (Refusal(reason="other_data", arm="two · full", baseline="one · full", n_examples=(400, 400)),)


def test_a_study_whose_headline_has_no_score_is_compared_on_the_others(tmp_path):
    results = make_results(tmp_path, {"features": LOW, "full": HIGH})
    summary = results.summary.model_copy(update={"headline_metric": "f1_of_nothing"})
    found = compare_studies([results.with_summary(summary)], FEW)
    assert found.headline_pairs == ()
    assert {pair.metric for pair in found.pairs} == set(results.study.head.metrics)
    assert found.refused == (Refusal(reason="scores_missing", arm="full", baseline="features"),)


@pytest.mark.parametrize(
    ("score", "why"),
    [(None, "1 of 5 runs of full has no accuracy on test"), (1e80, "a run's accuracy on test is too large to compare")],
)
def test_a_pair_with_a_run_without_the_headline_score_is_refused_with_the_reason(tmp_path, score, why):
    results = make_results(tmp_path, {"features": LOW, "full": HIGH})
    arm, key = results.summary.arms[1], "best/test/accuracy"
    scores = {name: value for name, value in arm.seeds[0].scores.items() if name != key} | ({key: score} if score else {})
    changed = arm.model_copy(update={"seeds": (arm.seeds[0].model_copy(update={"scores": scores}), *arm.seeds[1:])})
    summary = results.summary.model_copy(update={"arms": (results.summary.arms[0], changed)})
    found = compare_studies([results.with_summary(summary)], FEW)
    assert found.headline_pairs == ()
    assert [comparison_notes.refusal(refused, found) for refused in found.refused] == [
        f"full and features are not compared: {why}"
    ]
    said = study_text.sentences(summary.model_copy(update={"comparison": found}))
    assert said[0] == f"full and features are not compared: {why}."


def test_a_metric_that_a_seed_lacks_is_not_compared(tmp_path):
    results = make_results(tmp_path, {"features": LOW, "full": HIGH})
    arm = results.summary.arms[1]
    seed = arm.seeds[0].model_copy(update={"scores": {k: v for k, v in arm.seeds[0].scores.items() if k != "best/test/mcc"}})
    changed = arm.model_copy(update={"seeds": (seed, *arm.seeds[1:])})
    summary = results.summary.model_copy(update={"arms": (results.summary.arms[0], changed)})
    found = compare_studies([results.with_summary(summary)], FEW)
    assert "mcc" not in {pair.metric for pair in found.pairs}
    assert len(found.headline_pairs) == 1


def test_seeds_that_score_alike_by_chance_do_not_make_a_claim_on_few_examples():
    """Wrong answers move from seed to seed and every seed has equally many: the seeds' spread is nil, and so is that of both."""
    n = 40
    right = {arm: np.ones((4, n)) for arm in (0.7, 0.775)}
    for accuracy, answers in right.items():
        for i, row in enumerate(answers):
            row[np.random.default_rng([i, int(1000 * accuracy)]).permutation(n)[round(accuracy * n) :]] = 0
    draws = resample_examples([mean_over_examples(answers) for answers in right.values()], 0, 2000)
    how = SeedTestSettings(True, "maximize", False, 1, 2000, 0, 0.95)
    found = estimate(Sample(draws[1], (False,) * 4), Sample(draws[0], (False,) * 4), how)
    assert found["both"].p < 0.01 < found["examples"].p
    assert (found["p_value"], found["p_of"]) == (found["examples"].p, "examples")


def test_seeds_that_all_differ_by_the_same_are_no_evidence_by_themselves():
    """Of a metric whose examples cannot be resampled: three equal gaps would have had the smallest p that there is."""
    flat, spread = Draws(np.full(3, 0.7)), Draws(np.array([0.6, 0.6, 0.61]))
    how = SeedTestSettings(True, "maximize", False, 1, 300, 0, 0.95)
    found = estimate(Sample(flat, (False,) * 3), Sample(Draws(np.full(3, 0.6)), (False,) * 3), how)
    assert (found["seeds"].low, found["p_value"], found["p_of"]) == (pytest.approx(0.1), None, None)
    assert estimate(Sample(flat, (False,) * 3), Sample(spread, (False,) * 3), how)["p_of"] == "seeds"


def test_what_overflows_is_absent():
    huge = Draws(np.array([1e90, 2e90, 3e90]), np.array([[1e90, 2e90, np.inf], [1e90, 2e90, 3e90]]))
    how = SeedTestSettings(True, "minimize", False, 1, 2, 0, 0.95)
    with np.errstate(all="ignore"):
        found = estimate(Sample(huge, (False,) * 3), Sample(huge, (False,) * 3), how)
    assert (found["both"], found["examples"], found["seeds_share"], found["p_of"]) == (None, None, None, "seeds")


def test_scores_whose_squares_overflow_are_not_compared():
    pairing = Pairing(True, 2, (0, 1), (0, 1))
    assert pairing.is_scored({0: 1.0, 1: -2.0}, {0: 1.0, 1: 0.0})
    assert not pairing.is_scored({0: 1.0, 1: 1e200}, {0: 1.0, 1: 0.0})
    assert not pairing.is_scored({0: 1.0}, {0: 1.0, 1: 0.0})
