"""The list of runs follows from the study and its card alone."""

from __future__ import annotations

import pytest

from bertft_core.planning.run_specs import plan_runs, plan_trial
from bertft_core.seeds import joint_seeds, report_seeds
from tests.helpers.small_records import make_card, make_study


@pytest.fixture
def card(tmp_path):
    return make_card(tmp_path)


def test_every_arm_gets_every_seed_and_all_arms_grow_together(card):
    study = make_study()
    specs = plan_runs(study, card, {})
    assert [(s.index, s.arm) for s in specs] == [(i, arm) for i in range(3) for arm in ("features", "full")]
    seeds = dict(report_seeds(study.seed, study.seeds))
    assert all(s.seeds == seeds[s.index] for s in specs)
    assert len({s.digest for s in specs}) == 6
    assert len({s.setting_digest for s in specs}) == 2


def test_the_same_study_and_card_give_the_same_specs(card):
    assert plan_runs(make_study(), card, {}) == plan_runs(make_study(), card, {})


def test_more_seeds_keep_the_runs_that_are_done(card):
    fewer = {s.digest for s in plan_runs(make_study(), card, {})}
    more = {s.digest for s in plan_runs(make_study(seeds={"n": 5}), card, {})}
    assert fewer < more


def test_a_name_or_another_arm_keeps_the_runs_that_are_done(card):
    done = {s.digest for s in plan_runs(make_study(), card, {})}
    assert {s.digest for s in plan_runs(make_study(name="other"), card, {})} == done
    arms = {"features": {"strategies": [{"kind": "feature_extraction"}]}, "full": {}, "wide": {"batch_size": 64}}
    assert done < {s.digest for s in plan_runs(make_study(arms=arms), card, {})}


def test_a_spec_takes_data_and_encoder_from_the_card_and_settings_from_the_study(card):
    spec = plan_runs(make_study(execution={"threads_per_run": 2, "device": "cpu"}, metric="mcc"), card, {})[0]
    assert (spec.data_fingerprint, spec.labels, spec.encoder) == (card.fingerprint, card.labels, card.encoder)
    assert (spec.prepared_dir, spec.encoder_dir) == (card.directory, card.encoder_dir)
    assert (spec.threads, spec.device, spec.metric, spec.training.epochs) == (2, "cpu", "mcc", 2)
    assert spec.strategies[0].kind == "feature_extraction"
    assert spec.evaluated_splits == ("validation", "test", "other_domain")
    assert (spec.stage, spec.trial, spec.prune_below) == ("seeds", None, {})


@pytest.mark.parametrize(("checkpoints", "kept"), [("best", True), ("all", True), ("none", False)])
def test_models_are_saved_unless_none_is_to_be_kept(card, checkpoints, kept):
    assert {s.keep_model for s in plan_runs(make_study(retention={"checkpoints": checkpoints}), card, {})} == {kept}


def test_what_a_search_chose_wins_over_the_arm_and_the_arm_over_the_study(card):
    study = make_study(training={"learning_rate": 1e-5, "batch_size": 4}, arms={"full": {"learning_rate": 2e-5}, "plain": {}})
    specs = plan_runs(study, card, {"full": {"learning_rate": 3e-5}})
    settings = {s.arm: (s.training.learning_rate, s.training.batch_size) for s in specs}
    assert settings == {"full": (3e-5, 4), "plain": (1e-5, 4)}
    assert plan_runs(study, card, {})[0].training.learning_rate == 2e-5


def test_a_trial_runs_its_setting_on_each_search_seed_and_sees_validation_only(card):
    study = make_study()
    specs = plan_trial(study, card, "full", {"learning_rate": 5e-4, "batch_size": 8}, trial=3, prune_below={1: 0.6})
    search = study.arms["full"].search
    assert [(s.index, s.seeds) for s in specs] == joint_seeds(study.seed, search.first_seed_index, 2)
    for spec in specs:
        assert (spec.stage, spec.trial, spec.keep_model, spec.prune_below) == ("search", 3, False, {1: 0.6})
        assert spec.evaluated_splits == ("validation",)
        assert (spec.training.learning_rate, spec.training.batch_size) == (5e-4, 8)


def test_trials_with_the_same_setting_are_the_same_runs(card):
    params = {"learning_rate": 5e-4, "batch_size": 8}
    first, second = (plan_trial(make_study(), card, "full", params, trial=n) for n in (0, 7))
    assert [s.digest for s in first] == [s.digest for s in second]
    assert first[0].title != second[0].title


def test_a_trial_of_an_arm_without_a_search_is_a_mistake_of_the_caller(card):
    with pytest.raises(ValueError, match="'features' has no search"):
        plan_trial(make_study(), card, "features", {}, trial=0)


def test_a_run_is_titled_as_a_person_looks_for_it(card):
    study = make_study()
    assert [s.title for s in plan_runs(study, card, {})[:2]] == ["features · seed 000", "full · seed 000"]
    assert plan_trial(study, card, "full", {}, trial=3)[0].title == "full · trial 003 · search seed 1000000"


def test_a_search_has_its_own_length_and_the_report_runs_do_not(tmp_path):
    arms = {"full": {"search": {"space": {"batch_size": {"choices": [4, 8]}}, "training": {"epochs": 1}, "n_trials": 2}}}
    study, card = make_study(arms=arms, training={"epochs": 3}), make_card(tmp_path)
    (trial, _) = plan_trial(study, card, "full", {"batch_size": 4}, trial=0)
    assert (trial.training.epochs, trial.training.batch_size) == (1, 4)
    assert {spec.training.epochs for spec in plan_runs(study, card, {"full": {"batch_size": 4}})} == {3}
