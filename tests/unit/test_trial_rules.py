"""The rules of a search: median thresholds, who gets another seed, which trial is chosen."""

import pytest

from bertft_core.planning.run_specs import plan_trial
from bertft_core.records import TrialRow
from bertft_core.sweep.trial_rules import best_trial, score_so_far, survivors, thresholds, trial_outcome
from tests.helpers.made_up_searches import make_run
from tests.helpers.small_records import make_card, make_study


@pytest.fixture
def specs(tmp_path):
    return plan_trial(make_study(), make_card(tmp_path), "full", {"learning_rate": 1e-4, "batch_size": 8}, trial=3)


def _row(number, score, state="complete"):
    return TrialRow(number=number, state=state, params={}, score=score)


def test_the_threshold_of_a_validation_is_the_median_of_the_trials_that_reached_it():
    earlier = [{0: 0.5, 1: 0.9}, {0: 0.7, 1: 0.6}, {0: 0.8}]
    assert thresholds(earlier) == {0: 0.7, 1: 0.75}


def test_one_trial_sets_no_threshold():
    assert thresholds([]) == {}
    assert thresholds([{0: 0.5, 1: 0.9}, {0: 0.7}]) == {0: 0.6}


@pytest.mark.parametrize(("direction", "expected"), [("maximize", {2, 3}), ("minimize", {0, 1})])
def test_the_better_half_of_a_batch_survives(direction, expected):
    assert survivors({0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4}, [], direction) == expected


@pytest.mark.parametrize(("direction", "expected"), [("maximize", {1}), ("minimize", {0})])
def test_scores_of_earlier_batches_move_the_median(direction, expected):
    assert survivors({0: 0.1, 1: 0.9}, [0.5, 0.5, 0.5], direction) == expected
    assert survivors({0: 0.1, 1: 0.2}, [0.8, 0.9, 0.9], "maximize") == set()


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_score_on_the_median_survives(direction):
    assert survivors({0: 0.5, 1: 0.5, 2: 0.5}, [], direction) == {0, 1, 2}
    assert survivors({4: 0.3}, [0.3, 0.3], direction) == {4}


def test_a_lone_first_trial_survives_and_nobody_survives_of_nobody():
    assert survivors({0: 0.0}, [], "maximize") == {0}
    assert survivors({}, [0.5, 0.6], "maximize") == set()


@pytest.mark.parametrize(("direction", "expected"), [("maximize", 2), ("minimize", 1)])
def test_the_best_complete_trial_is_chosen(direction, expected):
    rows = [_row(0, 0.5), _row(1, 0.4), _row(2, 0.6), _row(3, 0.55)]
    assert best_trial(rows, direction).number == expected


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("numbers", [(1, 2, 3), (3, 2, 1)])
def test_the_earliest_of_equals_is_chosen(direction, numbers):
    assert best_trial([_row(number, 0.5) for number in numbers], direction).number == 1


@pytest.mark.parametrize("state", ["failed", "pruned"])
def test_a_trial_that_did_not_complete_is_never_chosen(state):
    assert best_trial([_row(0, 0.99, state), _row(1, 0.5)], "maximize").number == 1
    assert best_trial([_row(0, 0.99, state)], "maximize") is None


def test_an_outcome_averages_scores_and_validations_over_the_seeds(specs):
    records = [make_run(specs[0], [0.5, 0.75, 0.625]), make_run(specs[1], [0.25, 0.5], "collapsed")]
    outcome = trial_outcome(records, n_seeds=2)
    assert (outcome.state, outcome.scores, outcome.score) == ("complete", (0.75, 0.5), 0.625)
    assert outcome.intermediate == {0: 0.375, 1: 0.625, 2: 0.625}
    assert outcome.run_digests == (specs[0].digest, specs[1].digest)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["ok", "ok"], "complete"),
        (["ok", "collapsed"], "complete"),
        (["ok"], "pruned"),
        (["pruned"], "pruned"),
        (["ok", "pruned"], "pruned"),
        (["failed"], "failed"),
        (["ok", "failed"], "failed"),
        (["ok", "diverged"], "failed"),
        (["pruned", "failed"], "failed"),
    ],
)
def test_the_state_of_a_trial_follows_from_its_runs(specs, statuses, expected):
    records = [make_run(spec, [0.5], status) for spec, status in zip(specs, statuses, strict=False)]
    assert trial_outcome(records, n_seeds=2).state == expected


def test_a_trial_whose_only_run_diverged_before_its_first_validation_has_no_score(specs):
    outcome = trial_outcome([make_run(specs[0], [], "diverged")], n_seeds=2)
    assert (outcome.score, outcome.scores, outcome.intermediate) == (None, (), {})


@pytest.mark.parametrize(("status", "expected"), [("ok", 0.5), ("collapsed", 0.5), ("pruned", None), ("failed", None)])
def test_only_a_trial_whose_runs_all_ended_well_is_still_in_the_race(specs, status, expected):
    records = [make_run(specs[0], [0.25]), make_run(specs[1], [0.75], status)]
    assert score_so_far(records) == expected
