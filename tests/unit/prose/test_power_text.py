"""Sentences about seeds: what they detect, how many are needed, and when no number can be given."""

from bertft_core.evaluation.insights.detectable_effect import ArmMetric, needed
from bertft_core.evaluation.insights.power import for_half_width
from bertft_core.report.prose import power_text

AT = ArmMetric("accuracy", "test", "best")
GAPS = [0.05, 0.01, 0.05, 0.04, 0.07]


def test_a_pair_has_the_seeds_needed_for_the_observed_difference():
    found = needed("full", "features", AT, GAPS)
    assert power_text.seeds_needed(found) == (
        f"5 paired seeds of full − features (accuracy, test; sd of the differences 2.19 points) detect a true difference of "
        f"3.69 points with 80 % power; if the observed 4.4 points is the true difference, {found.n_for_observed} seeds are needed"
    )
    out_of_reach = found.model_copy(update={"n_for_observed": None})
    assert power_text.seeds_needed(out_of_reach).endswith("; the observed 4.4 points is out of reach")


def test_the_level_of_interim_analyses_and_shared_seeds_are_stated():
    found = needed("full", None, AT, GAPS, 0.98, crossed=True)
    end = "all of this is at 98 %, which corrects for the interim analyses; this assumes independent runs, while those of a "
    assert end in power_text.seeds_needed(found)
    assert power_text.seeds_for(for_half_width(found, 0.01)).endswith(", at 98 %, which corrects for the interim analyses")


def test_equal_scores_give_no_number():
    same = power_text.seeds_needed(needed("full", None, AT, [0.7] * 3))
    assert same == "all 3 seeds of full score 0.700 (accuracy, test), so the number of seeds needed cannot be estimated"
    pair = power_text.seeds_needed(needed("full", "features", AT, [0.1] * 3))
    assert pair.startswith("full − features is the same for all 3 seeds (accuracy, test)")
