"""Sentences about pairs: the verdict with its evidence, where the uncertainty comes from, and what was not compared."""

from __future__ import annotations

import pytest

from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.request import ComparisonRequest
from bertft_core.records import GainOverMajority
from bertft_core.records.compared_arm_record import StudyComponents
from bertft_core.records.comparison_record import ComparisonNote, NamedTest, Refusal, ResampledDifference
from bertft_core.report.comparison_table import comparison_table
from bertft_core.report.prose import comparison_notes, comparison_text, study_text
from tests.helpers.comparison_records import make_arm, make_comparison, make_pair
from tests.helpers.evaluated_studies import make_results
from tests.helpers.small_records import make_card

COMPARISON = make_comparison()
CLAIMED = "full is 13.6 points (accuracy, test) above features over 5 paired seeds and 1,234 examples: claimed "
ABOUT_ZERO = {
    "both": ResampledDifference(low=-0.03, high=0.05, p=0.4),
    "seeds": ResampledDifference(low=-0.02, high=0.04, p=0.4),
    "examples": ResampledDifference(low=0.001, high=0.02, p=0.04),
}


def said(arm: str = "full", baseline: str = "features", p: float = 0.0004, **changes) -> str:
    return comparison_text.pair(make_pair(arm, baseline, p).model_copy(update=changes), COMPARISON)


def test_a_claimed_pair_is_said_with_its_evidence_order_and_source():
    assert said() == (
        f"{CLAIMED}(p < 0.001 after Holm's correction over 6 tests; 95 % interval 9.6 to 17.6); full is ahead in 100 % of the "
        "paired runs; the size of the difference depends mostly on which seeds ran"
    )
    assert "depends as much on which seeds ran as on which examples are in the test set" in said(seeds_share=0.5)
    assert said(examples=None, both=None).endswith("only the seeds were resampled, so it may not hold on other examples")
    assert said(difference=-0.2, direction="minimize").startswith("full is 20.0 points (accuracy, test; lower is better) below")


def test_an_inconclusive_pair_is_said_with_what_would_help():
    inconclusive = said("llrd_0.9", "full", 0.61, **ABOUT_ZERO)
    assert inconclusive == (
        "llrd_0.9 is 0.40 points (accuracy, test) above full on average over 5 paired seeds and 1,234 examples: inconclusive "
        "(p = 0.61 after Holm's correction over 6 tests; 95 % interval −3.00 to +5.00 includes zero); with only the examples "
        "resampled, the interval excludes zero; the uncertainty comes mostly from the seeds: more seeds will help"
    )
    of_examples = {"source": "examples", "seeds_share": 0.1}
    larger = said("llrd_0.9", "full", 0.61, p_many_seeds=0.0501, **of_examples)
    assert larger.endswith("mostly from the examples: more seeds will not help; a larger test set will")
    for p in (0.05, None):
        most = said("llrd_0.9", "full", 0.61, p_many_seeds=p, **of_examples)
        assert most.endswith("mostly from the examples: a larger test set will help most")
    assert "from seeds and examples alike: more of both will help" in said("llrd_0.9", "full", 0.61, seeds_share=0.45)
    by_itself = said(p=0.06, examples=ABOUT_ZERO["both"])
    assert "interval 9.6 to 17.6 excludes zero); with only the examples resampled, the interval includes zero" in by_itself


def test_ties_count_half_and_other_metrics_may_have_fewer_resamples():
    tied = make_pair("full", "features", 0.0004)
    tied = said(superiority=tied.superiority.model_copy(update={"value": 0.9}))
    assert "full is ahead in 90 % of the paired runs, ties counted half" in tied
    pairs = tuple(make_pair("full", "features", 0.01).model_copy(update={"n_resamples": n}) for n in (10_000, 2_000, None))
    compared = COMPARISON.model_copy(update={"pairs": pairs, "n_resamples": 10_000})
    assert comparison_text.resamples(compared) == "10,000 resamples (2,000 on other metrics)"


def test_pairs_without_test_or_interval_are_inconclusive_with_the_reason():
    assert "inconclusive (no test is possible; 95 % interval" in said(p_holm=None, claimed=False)
    crossed = {"crossed": True, "p_holm": None, "claimed": False}
    assert "over 5 paired runs that share seeds and 1,234 examples: inconclusive (not tested, because" in said(**crossed)
    none = said(**crossed, both=None, seeds=None)
    assert none.endswith(": inconclusive; no interval can be given (at least 3 × 3 paired seeds are needed)")
    same = said(difference=0.0)
    assert same.startswith("full and features score the same (accuracy, test)")
    assert same.endswith(": no difference is claimed")


def test_collapsed_runs_and_stability_are_added():
    pair = next(pair for pair in COMPARISON.pairs if pair.without_collapsed is not None)
    end = "without the pairs of runs with a collapsed one (1 of full) the difference is +14.7, reported as descriptive only"
    assert comparison_text.pair(pair, COMPARISON).endswith(end)
    stable = (NamedTest(name="Brown-Forsythe", statistic=9.0, p=0.01),)
    assert said(stability=stable).endswith(
        "features is more stable: its sd over seeds is 0.56 of the other's (Brown-Forsythe, uncorrected, p = 0.010)"
    )


def test_seeds_and_examples_are_counted_as_they_were_used():
    assert "over 5 and 4 seeds and 1,234 examples" in said(paired=False, n_seeds_baseline=4)
    assert "over 5 seeds each, each on its own examples" in said(paired=False, n_examples=None)
    assert "over 5 paired seeds: claimed" in said(unit=None, n_examples=None)


def test_pairing_names_the_runs_without_a_partner():
    pair, comparison = make_pair("full", "features", 0.5), make_comparison()
    assert comparison_notes.pairing(pair, comparison) == (
        "paired: 5 runs of each arm have the same init, order and dropout seeds"
    )
    fewer = comparison_notes.pairing(pair.model_copy(update={"n_shared_seeds": 4}), comparison)
    assert fewer is not None
    assert fewer.endswith("; without a partner and left out: 1 of full and 1 of features")
    unpaired = comparison_notes.pairing(pair.model_copy(update={"paired": False, "n_shared_seeds": 0}), comparison)
    assert unpaired == "unpaired: no runs of each arm share all three seeds with a run of the other"
    assert comparison_notes.pairing(pair.model_copy(update={"n_shared_seeds": None}), comparison) is None


@pytest.mark.parametrize(
    ("refusal", "why"),
    [
        (Refusal(reason="selected_seeds", arm="full"), "full is not compared: its seeds were selected (many started"),
        (
            Refusal(reason="few_seeds", arm="few"),
            "few is not compared: 1 run of it ended with a score, and at least 3 are needed (2 of 3 few runs diverged",
        ),
        (
            Refusal(reason="missing_split", arm="full", baseline="features", n_examples=(40, None)),
            "full and features are not compared: features has no split 'test'",
        ),
        (Refusal(reason="other_labels", arm="full", baseline="features"), "full and features are not compared: their labels"),
        (
            Refusal(reason="other_data", arm="full", baseline="features", n_examples=(40, 50)),
            "full and features are not compared: their test sets contain different examples (40 and 50) of different data",
        ),
    ],
)
def test_every_reason_not_to_compare_is_said(refusal, why):
    few = make_arm("few", (0.5,), counts={"ok": 1, "diverged": 2})
    assert comparison_notes.refusal(refusal, make_comparison(arms=(*COMPARISON.arms, few))).startswith(why)


def test_every_kind_of_note_has_a_sentence():
    kinds = ComparisonNote.model_fields["kind"].annotation.__args__
    assert len(kinds) >= 10
    for kind in kinds:
        note = ComparisonNote(kind=kind, metric="m", arm="a", baseline="b", seed=1, study="s", stream="order", n=7)
        assert "None" not in comparison_notes.note(note, COMPARISON)


def test_components_say_what_differs_between_studies():
    found = StudyComponents(
        arm="full", studies=("one", "two"), between_sd=0.0705, within_sd=0.01, n_seeds=(3, 3), f_p=0.0005, data_differ=True
    )
    assert comparison_notes.components(found, COMPARISON) == (
        "full in 2 studies that differ only in their study seed: between them, where the data differ, accuracy on test has a "
        "standard deviation of 7.05 points (F test p < 0.001), within them, over seeds, of 1 point"
    )
    unknown = found.model_copy(update={"data_differ": None, "f_p": None})
    assert "between them accuracy on test has a standard deviation of 7.05 points, within" in comparison_notes.components(
        unknown, COMPARISON
    )


def test_the_gain_over_the_majority_is_said_at_the_level_of_the_study(tmp_path):
    summary = make_results(tmp_path, {"full": [0.82, 0.81, 0.84]}).summary
    gain = GainOverMajority(arm="full", constant_score=0.5, n=3, mean=0.3233, t_low=0.285, t_high=0.361, n_agreeing=3)
    assert study_text.gain_over_majority(gain, summary) == (
        "full is 32.3 points (accuracy, test) above always answering the most frequent label (0.500) over 3 seeds "
        "(95 % interval 28.5 to 36.1)"
    )
    few = gain.model_copy(update={"n": 1, "t_low": None, "t_high": None})
    assert study_text.gain_over_majority(few, summary).endswith("over 1 seed; an interval takes at least 3 seeds")
    unsure = gain.model_copy(update={"t_low": -0.1, "n_agreeing": 2})
    assert study_text.gain_over_majority(unsure, summary).endswith("(95 % interval −10.0 to +36.1 includes zero)")


# In the terminal


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    home = tmp_path_factory.mktemp("text")
    card = make_card(home, splits={"train": 80, "validation": 40, "test": 400})
    accuracies = {"base": [0.6, 0.61, 0.62, 0.6], "good": [0.76, 0.77, "diverged", 0.76], "late": ["failed", 0.6, 0.61, "failed"]}
    return compare_studies([make_results(home, accuracies, card=card)], ComparisonRequest(n_resamples=500))


def test_the_table_has_arms_pairs_sentences_refusals_and_runs_left_out(comparison):
    text = comparison_table(comparison)
    (pair,) = comparison.headline_pairs
    assert text.startswith("accuracy on test, best checkpoint\narm   seeds  collapsed  mean   sd     min    max\nbase  4      0")
    assert f"\ngood − base  +{pair.difference:.3f} " in text
    assert f"\n{comparison_text.pair(pair, comparison)}.\n" in text
    assert f"{comparison_notes.refusal(comparison.refused[0], comparison)}." in text
    assert "Not compared: 1 of 4 good runs diverged, without a score; 2 of 4 late runs failed, without a score." in text
    assert ".." not in text


def test_other_metrics_are_named_where_something_is_claimed_and_together_where_nothing_is(comparison):
    unsure = [
        pair.model_copy(update={"claimed": pair.claimed and pair.metric not in ("mcc", "ece")}) for pair in comparison.pairs
    ]
    text = comparison_table(comparison.model_copy(update={"pairs": tuple(unsure)}))
    claimed = {pair.metric for pair in unsure if pair.claimed} - {"accuracy"}
    assert claimed
    assert all(f"\n{metric} " in text for metric in claimed)
    (nothing,) = [line for line in text.splitlines() if line.startswith("nothing on")]
    assert set(nothing.removeprefix("nothing on").strip().split(", ")) == {pair.metric for pair in unsure} - claimed - {
        "accuracy"
    }
    assert "nothing on" not in comparison_table(comparison.model_copy(update={"pairs": comparison.headline_pairs}))
