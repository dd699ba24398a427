"""Model selection: everything that was tried and chosen is counted, and nothing is chosen on the test set."""

from __future__ import annotations

import pytest

from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_repeats, plan_runs, plan_trial
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tests.helpers.small_records import make_card, make_record, make_study, make_sweep


def selection(folder, study, *, sweeps=(), more=()):
    card, study_dir = make_card(folder), StudyDir(folder, study.name)
    planned = plan_runs(study, card, {})
    specs = [*planned, *plan_repeats(study, card, {}), *more]
    records = {spec.digest: make_record(spec, card, study_dir, accuracy=0.8 + 0.05 * (spec.index % 3)) for spec in specs}
    return summarize(
        StudyResults(study, card, study_dir, records, planned, {sweep.arm: sweep for sweep in sweeps})
    ).model_selection


def test_runs_validations_and_choices_are_counted(tmp_path):
    study = make_study(arms={"a": {}, "b": {"batch_size": 8}}, seeds={"n": 3, "repeats": 1})
    found = selection(tmp_path, study)
    assert (found.n_settings, found.n_trials, found.n_search_runs, found.n_report_runs) == (2, 0, 0, 8)
    uses = {use.split: (use.n_evaluations, use.n_choices) for use in found.splits}
    assert uses == {"validation": (16, 2), "test": (16, 0), "other_domain": (16, 0)}
    assert [(c.what, c.arm, c.n_scores) for c in found.choices] == [
        ("checkpoint", "a", 6),
        ("kept model", "a", 3),
        ("checkpoint", "b", 6),
        ("kept model", "b", 3),
    ]


def test_a_search_counts_with_its_trials_and_their_runs(tmp_path):
    study, card = make_study(), make_card(tmp_path)
    trial = plan_trial(study, card, "full", {}, trial=0)
    sweep = make_sweep(StudyDir(tmp_path, study.name))
    rows = (sweep.trials[0].model_copy(update={"run_digests": tuple(s.digest for s in trial)}), *sweep.trials[1:])
    found = selection(tmp_path, study, sweeps=[sweep.model_copy(update={"trials": rows})], more=trial)
    assert (found.n_settings, found.n_trials, found.n_search_runs, found.n_other_runs) == (4, 3, 2, 0)
    assert [c.n_scores for c in found.choices if c.what == "setting"] == [2]  # the third trial failed


def test_runs_of_other_settings_in_the_folder_are_counted(tmp_path):
    card = make_card(tmp_path)
    study = make_study(arms={"full": {}}, seeds={"n": 2})
    tried = plan_runs(make_study(arms={"full": {"learning_rate": 1e-4}}, seeds={"n": 3}), card, {})
    found = selection(tmp_path, study, more=tried)
    assert (found.n_other_settings, found.n_other_runs, found.n_report_runs) == (1, 3, 2)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"seeds": {"n": 3, "until": {"half_width": 0.9}, "max": 5}}, "number of seeds"),
        ({"seeds": {"start": 3, "stop_at": 0.6, "keep": 1}}, "seeds that go on"),
        ({"probes": {}}, "temperature"),
        ({"arms": {"full": {"strategies": [{"kind": "early_stopping", "patience": 1}]}}}, "early stopping"),
    ],
)
def test_every_way_of_choosing_is_in_it_and_is_the_validation_sets(tmp_path, changes, what):
    found = selection(tmp_path, make_study(**{"arms": {"full": {}}} | changes))
    assert what in {choice.what for choice in found.choices}
    assert {choice.split for choice in found.choices} == {"validation"}
