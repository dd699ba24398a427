"""Sentences about insights, seeds, ensembles, selection and probes, from made-up records."""

from typing import get_args

import pytest

from bertft_core.records import ArmSummary, Ensemble, MetricSummary, Nondeterminism, SeedScore, StudySummary
from bertft_core.records.insight_records import StudyVariance
from bertft_core.records.not_computed import NotComputed, Reason
from bertft_core.records.probe_summary import ProbeAbsence, ProbeFinding, ProbeRow, ProbeSummary
from bertft_core.records.seed_design_records import AdaptiveSeeds, InterimAnalysis, SelectedSeed, SelectedSeeds
from bertft_core.records.selection_record import ModelSelection, SelectionChoice, SplitUse
from bertft_core.report.prose import (
    budgets_text,
    ensembles_text,
    missing_text,
    model_selection_text,
    picture_text,
    probes_text,
    seed_agreement_text,
    seed_designs_text,
    study_text,
    study_title,
    variance_text,
    verification_text,
)
from tests.helpers.comparison_records import make_comparison
from tests.helpers.insight_records import make_agreement, make_budget, make_insights, make_variance


def summary_of(arm: ArmSummary | None = None, **changes) -> StudySummary:
    headline = {"headline_split": "test", "headline_checkpoint": "best", "headline_metric": "accuracy"}
    arms = () if arm is None else (arm,)
    return StudySummary(study="small", study_digest="d", data_fingerprint="f", **headline, arms=arms, **changes)


def make_arm(n_planned: int = 5, **changes) -> ArmSummary:
    streams = {"init_seed": 0, "order_seed": 0, "dropout_seed": 0}
    common = {"status": "ok", "run_digest": "d", "weights_sha256": None, "best_step": None, **streams}
    seeds = tuple(SeedScore(index=i, scores={"best/test/accuracy": 0.8}, **common) for i in range(n_planned))
    given = {"arm": "full", "n_planned": n_planned, "counts": {"ok": n_planned}, "metrics": (), "seeds": seeds}
    return ArmSummary(**given | changes)


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_reason_has_words_without_gaps(reason):
    text = missing_text.why(NotComputed(reason=reason, n=3, needed=5, detail="accuracy"))
    assert text
    assert "None" not in text
    assert "{" not in text


def test_sources_of_variance_with_their_shares_tests_and_repeats():
    found = make_variance()
    parts = tuple(c.model_copy(update={"f_p": p}) for c, p in zip(found.components, (0.049, 0.39, None), strict=True))
    found = found.model_copy(update={"components": parts, "n_left_out": 2, "floor_sd": 0.011, "n_floor": 3})
    assert variance_text.components(found) == (
        "of the variance over the 12 runs of full (4 init × 3 order seeds; accuracy, test) 80 % is due to the init seed, 0 % is "
        "due to the order seed and 20 % is due to the rest (interaction, dropout and nondeterminism); more than chance by the F "
        "test: init (p = 0.049), not distinguishable from chance by the F test: order (p = 0.39); 2 runs outside the largest "
        "complete grid left out; 3 runs with identical seeds have an sd of 0.011, which is part of the rest"
    )
    equal = tuple(c.model_copy(update={"share": None}) for c in parts)
    text = variance_text.components(found.model_copy(update={"components": equal, "floor_sd": 0.0}))
    assert text.startswith("all 12 runs of full (4 init × 3 order seeds) score the same (accuracy, test)")
    assert text.endswith("repeats with identical seeds do not differ")


def test_variance_between_studies_is_tested_only_without_shared_seeds():
    init, _, rest = make_variance().components
    where = {"arm": "full", "metric": "accuracy", "split": "test", "checkpoint": "best", "source": "split"}
    tested = init.model_copy(update={"high": 0.1, "f_p": 0.02})
    found = StudyVariance(**where, studies=("a", "b"), means=(0.7, 0.8), between=tested, within=rest)
    assert variance_text.between_studies(found) == (
        "full (accuracy, test): an sd of 2 points between 2 studies (F test, p = 0.020) and of 1 point within them, over seeds; "
        "the studies differ in their data split"
    )
    assert variance_text.between_studies(found.model_copy(update={"between": init})).endswith(
        "runs that share seeds or examples are not tested, and what they share counts as between studies"
    )


def test_nondeterminism():
    same = Nondeterminism(arm="full", n=3, device="cpu", bitwise=True, largest_difference=0.0, sd=0.0, n_without_weights=1)
    assert variance_text.nondeterminism(same, summary_of()) == (
        "3 runs of full with identical seeds on cpu end with bitwise identical weights: all variation between seeds is due to "
        "the seeds (1 more run ended without weights)"
    )
    other = same.model_copy(update={"bitwise": False, "largest_difference": 0.2})
    assert "differ by up to 0.2 (accuracy, test)" in variance_text.nondeterminism(other, summary_of())
    assert "nothing to compare" in variance_text.nondeterminism(same.model_copy(update={"n": 1}), summary_of())


def test_agreement_of_seeds():
    assert seed_agreement_text.agreement(make_agreement("full")) == (
        "the 5 seeds of full agree on 19 of 40 examples (test); two seeds differ on 9.5 %, Fleiss κ 0.810; 21 are right with "
        "some seeds and wrong with others"
    )
    refused = NotComputed(reason="too few predictions", arm="full", n=1, needed=2)
    assert seed_agreement_text.refused(refused).startswith("the seeds of full are not compared example by example: the stored")


def test_budgets_and_schedules():
    assert budgets_text.budget(make_budget("full")).startswith(
        "one run of full is expected to reach 0.810 (accuracy, validation), the best of 2 0.814 (sampled with replacement) or "
        "0.817 (without), in 24 min of sequential training"
    )
    (view,) = make_insights().start_many
    assert budgets_text.start_many(view) == (
        "for the cost of 6 whole runs of full, starting 12, stopping at 30 % of the training and continuing 3 would have found "
        "0.830 instead of 0.820 (accuracy, validation; resampled from 12 finished runs)"
    )
    flat = view.model_copy(update={"worthwhile": None})
    assert "noticeably more than whole runs" in budgets_text.start_many(flat)


def test_adaptive_seeds_say_why_no_more_were_added():
    analyses = (InterimAnalysis(n=7, half_widths={"a": 0.012, "b": 0.02, "c": 0.0}, is_enough=False),)
    found = AdaptiveSeeds(
        metric="accuracy", half_width=0.015, plan=(3, 7), level=0.9785, interim_analyses=analyses, ended="maximum"
    )
    text = seed_designs_text.adaptive(found, ["a", "b", "c", "d"])
    assert text.startswith("the maximum of 7 seeds was reached after 1 of at most 2 interim analyses")
    assert "known to ±0.015 (accuracy, validation): b ±0.02, d has fewer than two scores;" in text
    assert "level of 97.85 %" in text
    assert text.endswith("all seeds of c score the same there, which says little about their spread")
    narrow = found.model_copy(update={"ended": "narrow enough"})
    assert "is known to ±0.015 (accuracy, validation) with 7 seeds" in seed_designs_text.adaptive(narrow, ["a"])
    assert "more seeds follow" in seed_designs_text.adaptive(found.model_copy(update={"ended": "not yet"}), ["a"])
    none = found.model_copy(update={"interim_analyses": ()})
    assert "no interim analysis has taken place" in seed_designs_text.adaptive(none, ["a"])


def test_selected_seeds_are_no_random_sample():
    seeds = (
        SelectedSeed(index=1, score_at_cut=0.7, kept=True, best_score=0.8),
        SelectedSeed(index=0, score_at_cut=0.6, kept=False),
    )
    selected = SelectedSeeds(start=5, stop_at=0.25, keep=1, seeds=seeds, best=1, cost=2.0)
    arm = make_arm(selected=selected)
    assert seed_designs_text.selected(arm, summary_of(arm)) == (
        "5 seeds of full started, and the best 1 on validation after 25 % of the steps went on; the best of 5 is seed 1 with "
        "0.800 (accuracy, test), for the cost of 2 whole runs; selected seeds are not a random sample, so they have no sd, "
        "interval or comparison"
    )


def test_model_selection_says_what_each_split_decided():
    uses = (SplitUse(split="validation", n_evaluations=16, n_choices=1), SplitUse(split="other", n_evaluations=1, n_choices=0))
    choices = (SelectionChoice(what="early stopping", arm="a", split="validation", n_scores=6, n=2, of=3),)
    sizes = {"n_settings": 2, "n_trials": 0, "n_search_runs": 0, "n_report_runs": 8, "n_other_settings": 1, "n_other_runs": 3}
    first, second, third, fourth = model_selection_text.splits(ModelSelection(**sizes, splits=uses, choices=choices))
    assert first == "16 evaluations on validation decided early stopping"
    assert second == "1 evaluation on other decided nothing"
    assert "data.split.halve_validation" in third
    assert fourth.startswith("this study's folder has 3 runs of 1 other setting: ")
    assert model_selection_text.choice(choices[0], summary_of()) == "2 of 3 runs were stopped early"
    older = choices[0].model_copy(update={"n": None, "of": None})
    assert model_selection_text.choice(older, summary_of()) == "some runs were stopped early"


def test_an_ensemble_next_to_the_mean_of_its_members_and_who_is_not_in_it():
    ensemble = Ensemble(seeds=(0, 1, 3), scores={"best/test/accuracy": 0.9}, mean_of_seeds=0.8, n_unreadable=1)
    counts = {"ok": 3, "collapsed": 1, "diverged": 1}
    arm = make_arm(ensemble=ensemble, counts=counts)
    assert ensembles_text.ensemble(arm, summary_of(arm)) == (
        "the ensemble of 3 full seeds scores 0.900 (accuracy, test), 10.0 points above their mean of 0.800; without 1 diverged "
        "of 5 full runs; including 1 collapsed of 5 full runs; without 1 of 5 full runs whose predictions are missing"
    )
    equal = make_arm(ensemble=ensemble.model_copy(update={"mean_of_seeds": 0.9}))
    assert "scores 0.900 (accuracy, test), the same as their mean" in ensembles_text.ensemble(equal, summary_of(equal))
    refused = NotComputed(reason="too few scores", n=1, needed=2, detail="seeds")
    none = make_arm(ensemble=Ensemble(seeds=(0,), refused=refused))
    assert ensembles_text.ensemble(none, summary_of(none)) == (
        "full has no ensemble: at least 2 seeds with a score are needed, and there are 1"
    )
    alone = make_arm(ensemble=ensemble, n_planned=1, counts={"diverged": 1})
    assert "without 1 diverged of 1 full run;" in ensembles_text.ensemble(alone, summary_of(alone))
    *_, sentence = study_text.sentences(summary_of(equal))
    assert sentence.startswith("The ensemble of 3 full seeds scores 0.900")


def row(probe: str, measure: str, mean: float, where: str | None = None) -> ProbeRow:
    values = {0: mean - 0.1, 1: mean, 2: mean + 0.1}
    numbers = {"n": 3, "mean": mean, "sd": 0.1, "min": mean - 0.1, "max": mean + 0.1, "values": values}
    return ProbeRow(arm="full", probe=probe, measure=measure, where=where, **numbers)


PROBED = ProbeSummary(
    rows=(
        row("masked_lm", "loss_before", 3.0),
        row("masked_lm", "loss_rise", 1.3),
        *(row("masked_lm", "loss_put_back", loss, f"top {k}") for k, loss in enumerate((4.3, 3.4, 3.1))),
        row("similarity", "cka_unbiased", 0.35, "layer 0"),
        row("drift", "relative_l2", 0.2, "layer 1"),
        row("calibration", "ece", 0.15, "test"),
        row("out_of_domain", "in_domain", 0.8, "news"),
        row("out_of_domain", "out_of_domain", 0.6, "news"),
        row("out_of_domain", "drop", 0.2, "news"),
    ),
    absences=(ProbeAbsence(arm="full", probe="gradients", why=NotComputed(reason="gradients not watched"), seeds=(0,)),),
    findings=(ProbeFinding(arm="full", probe="masked_lm", is_sign=True),),
)


@pytest.mark.parametrize(
    ("probe", "text"),
    [
        (
            "masked_lm",
            "after fine-tuning, the masked-LM loss of the encoder of full is 1.30 nats higher (1.20 to 1.40 over 3 seeds): it "
            "has forgotten some language modelling; putting back its top layer of 2 undoes at least half of the rise",
        ),
        (
            "similarity",
            "the hidden states of full after layer 0 have little in common with the pre-trained ones (CKA 0.35, 0.25 to 0.45 "
            "over 3 seeds)",
        ),
        ("drift", "the weights of full moved by 20 % (layer 1) to 20 % (layer 1) of their norm"),
        ("calibration", "on test the confidence of full is off by 0.150 on average (ECE)"),
        (
            "out_of_domain",
            "the accuracy of full is 0.600 on news against 0.800 in its domain (drop 0.10 to 0.30 over 3 seeds)",
        ),
    ],
)
def test_what_a_probe_found(probe, text):
    assert probes_text.finding(ProbeFinding(arm="full", probe=probe, is_sign=False), PROBED, "accuracy") == text


def test_the_error_before_and_after_scaling_is_of_the_same_seeds():
    rows = [row("calibration", "ece", 0.15, "test"), row("calibration", "temperature", 2.0)]
    scaled = row("calibration", "ece_scaled", 0.04, "test").model_copy(update={"values": {0: 0.03, 1: 0.04, 2: 0.05}})
    finding = ProbeFinding(arm="full", probe="calibration", is_sign=False)
    alike = PROBED.model_copy(update={"rows": (*rows, scaled)})
    assert probes_text.finding(finding, alike, "accuracy").endswith(
        "(ECE); a temperature of 2.00, fitted on validation, brings it to 0.040"
    )
    others = scaled.model_copy(update={"n": 3, "values": {1: 0.03, 2: 0.05, 3: 0.01}})
    assert probes_text.finding(finding, PROBED.model_copy(update={"rows": (*rows, others)}), "accuracy").endswith(
        "(ECE); over the 2 seeds with one, a temperature of 2.05, fitted on validation, brings it from 0.200 to 0.040"
    )
    none = scaled.model_copy(update={"values": {3: 0.01}})
    assert probes_text.finding(finding, PROBED.model_copy(update={"rows": (*rows, none)}), "accuracy").endswith("(ECE)")


def test_the_verdict_of_the_probes():
    missing = "no result for the first gradients (its gradients were not recorded during training; --force trains it again)"
    assert probes_text.verdict(PROBED) == f"There are signs that fine-tuning went too far or wrong in full; {missing}"
    without = PROBED.model_copy(update={"findings": ()})
    assert probes_text.verdict(without).startswith(
        "No sign of forgetting was found in masked language modelling and the similarity of hidden states; "
    )
    nothing = PROBED.model_copy(update={"rows": (), "findings": ()})
    assert probes_text.verdict(nothing) == f"No probe that could show forgetting has a result; {missing}"


def test_one_run_has_no_plural():
    assert picture_text.said("curves", y="loss", x="step", n=1, arm="full") == "loss over step of 1 run of full."
    assert picture_text.said("curves", y="loss", x="step", n=2, arm="full") == "loss over step of 2 runs of full."
    assert verification_text.verified_runs(1, 1, 0).startswith("1 of 1 finished report run was trained again")
    assert verification_text.verified_runs(2, 1, 0).startswith("1 of 2 finished report runs were trained again")


def of_arms(*names: str) -> dict[str, tuple[ArmSummary, ...]]:
    return {"arms": tuple(make_arm(arm=name) for name in names)}


def test_one_difference_is_the_title_and_of_several_how_many_are_claimed():
    comparison = make_comparison()
    one = summary_of(comparison=comparison).model_copy(update=of_arms("features", "full"))
    assert study_title.title(one) == "small: full is 13.6 points (accuracy, test) above features: claimed"
    other = one.model_copy(update=of_arms("full", "llrd_0.9"))
    assert study_title.title(other) == "small: llrd_0.9 is 0.40 points (accuracy, test) above full: inconclusive"
    several = one.model_copy(update=of_arms("features", "full", "llrd_0.9"))
    assert study_title.title(several) == "small: 2 of 2 differences from features claimed (accuracy, test)"


def test_what_is_not_compared_has_its_means_and_selected_seeds_have_none():
    numbers = dict.fromkeys(("sd", "t_low", "t_high", "bootstrap_low", "bootstrap_high"))
    where = {"split": "test", "checkpoint": "best", "metric": "accuracy", "collapsed_included": True}
    row = MetricSummary(**where, **numbers, n=2, mean=0.8123, median=0.8, min=0.8, max=0.8)
    arm = make_arm(metrics=(row, row.model_copy(update={"checkpoint": "final"})))
    assert study_title.title(summary_of(arm)) == "small: full 0.812 (accuracy, test, 2 runs)"
    assert study_title.title(summary_of(arm.model_copy(update={"metrics": ()}))) == "small"
    selected = arm.model_construct(**dict(arm) | {"selected": object()})
    assert study_title.title(summary_of().model_copy(update={"arms": (selected,)})) == "small"
