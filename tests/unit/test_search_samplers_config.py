"""Which spaces, trials and options each sampler can have; what does not fit is refused at its place, before anything trains."""

from __future__ import annotations

import pytest

from bertft_core.config import UserError, parse_study
from bertft_core.config.search_space import listed_values

RATES = {"low": 1e-5, "high": 1e-3, "log": True}
STEPS = {"low": 0.0, "high": 0.3, "step": 0.1}
ON_OFF = {"choices": [True, False]}
MIXOUT = {"strategies.mixout": ON_OFF, "strategies.mixout.p": {"low": 0.1, "high": 0.9}}
LISTED = {"batch_size": {"choices": [8, 16]}, "weight_decay": STEPS}


def searched(space: dict, **search):
    arms = {"full": {"search": {"space": space} | search}}
    return parse_study({"name": "s", "data": {"source": "bundled", "name": "reviews"}, "arms": arms}).arms["full"].search


def refusal(space: dict, **search) -> UserError:
    with pytest.raises(UserError) as refused:
        searched(space, **search)
    assert refused.value.hint
    return refused.value


@pytest.mark.parametrize("sampler", ["grid", "qmc", "gp", "cmaes"])
def test_a_space_whose_trials_have_different_settings_needs_tpe_or_random(sampler):
    error = refusal(MIXOUT, sampler=sampler)
    assert error.problem.startswith("arms.full.search.space.strategies.mixout.p: ")
    assert "trials that turn strategies.mixout off do not have this" in error.problem
    assert "use sampler tpe or random" in error.hint
    for other in ("tpe", "random"):
        assert searched(MIXOUT, sampler=other)


@pytest.mark.parametrize("sampler", ["grid", "qmc", "gp"])
def test_a_switch_without_further_settings_is_a_choice_like_any_other(sampler):
    for space in ({"strategies.mixout": ON_OFF}, {"strategies.mixout": {"choices": [True]}, "strategies.mixout.p": STEPS}):
        assert searched(space | {"batch_size": {"choices": [8, 16, 32, 64]}}, sampler=sampler, n_trials=2)


@pytest.mark.parametrize(
    ("space", "search", "place", "words"),
    [
        (LISTED, {"sampler": "cmaes"}, "space.batch_size", "CMA-ES searches ranges of numbers only"),
        ({"learning_rate": RATES}, {"sampler": "grid"}, "space.learning_rate", "values that can be listed; give choices"),
        ({"weight_decay": {"low": 0, "high": 0.1}}, {"sampler": "grid"}, "space.weight_decay", "add step, or give choices"),
        (LISTED, {"sampler": "grid", "n_trials": 9}, "n_trials", "the grid has 8 settings; set n_trials to 8"),
        (
            {"batch_size": {"low": 1, "high": 100_001, "integer": True}},
            {"sampler": "grid"},
            "space",
            "its grid has 100,001 settings; at most 100,000",
        ),
        (LISTED, {"sampler": "grid", "enqueue": [{"batch_size": 8, "weight_decay": 0.1}]}, "enqueue", "a grid tries all of its"),
        (LISTED, {"sampler": "gp", "multivariate": False}, "multivariate", "an option of tpe, and the sampler is gp"),
        (LISTED, {"sampler": "random", "group": True}, "group", "an option of tpe, and the sampler is random"),
        (LISTED, {"multivariate": False, "group": True}, "group", "it needs multivariate"),
        (LISTED, {"sampler": "cma"}, "sampler", "'cmaes'"),
    ],
)
def test_what_a_sampler_cannot_search_is_refused(space, search, place, words):
    error = refusal(space, **search)
    assert error.problem.startswith(f"arms.full.search.{place}: ") or place == "sampler"
    assert words in f"{error.expected}; {error.problem}; {error.hint}"


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (STEPS | {"low": 0.01, "log": True}, "a log range has no equal steps"),
        ({"low": 0.0, "high": 0.35, "step": 0.1}, "do not end at 0.35; set high to 0.4 or 0.3, or change the step"),
        ({"low": 0.0, "high": 0.3, "step": 0.5}, "do not end at 0.3; set high to 0.5, or change the step"),
        ({"low": 0.0, "high": 0.3, "step": 0}, "greater than 0"),
        ({"low": 0.0, "high": 0.3, "step": 1e-30}, "at most 1,000,000 can be stepped through"),
        ({"low": 0, "high": 3, "step": 0.5, "integer": True}, "the step of an integer range must be an integer"),
        ({"choices": [0.1], "step": 0.5}, "step"),
    ],
)
def test_a_step_leads_from_low_to_high(part, words):
    error = refusal({"weight_decay": part})
    assert words in f"{error.expected}; {error.problem}; {error.hint}"
    assert "weight_decay" in f"{error.problem} {error.found}"


@pytest.mark.parametrize(
    ("trial", "place", "words"),
    [
        ({"batch_size": 8}, "", "it has no weight_decay; give every setting of the space"),
        ({"batch_size": 8, "weight_decay": 0.1, "epochs": 2}, ".epochs", "not in the space, which has batch_size, weight_decay"),
        ({"batch_size": 8, "weight_decai": 0.1}, ".weight_decai", "did you mean 'weight_decay'?"),
        ({"batch_size": 9, "weight_decay": 0.1}, ".batch_size", "9 is none of its choices; use one of 8, 16"),
        ({"batch_size": "8", "weight_decay": 0.1}, ".batch_size", "'8' is none of its choices"),
        ({"batch_size": 8, "weight_decay": 0.4}, ".weight_decay", "0.4 is outside the space; use a value from 0 to 0.3"),
        ({"batch_size": 8, "weight_decay": 0.14}, ".weight_decay", "0.14 is no step of its range"),
        ({"batch_size": 8, "weight_decay": "0.1"}, ".weight_decay", "'0.1' is no number"),
        ({"batch_size": 8, "weight_decay": True}, ".weight_decay", "True is no number"),
    ],
)
def test_an_enqueued_trial_is_one_that_the_search_could_suggest(trial, place, words):
    error = refusal(LISTED, enqueue=[{"batch_size": 8, "weight_decay": 0.3}, trial])
    assert error.problem.startswith(f"arms.full.search.enqueue[1]{place}: ")
    assert words in f"{error.problem}; {error.hint}"


def test_enqueued_trials_of_a_conditional_space_have_what_their_switches_leave():
    on, off = {"strategies": {"mixout": {"p": 0.5}}, "strategies.mixout": True}, {"strategies.mixout": False}
    error = refusal(MIXOUT, enqueue=[off, off | {"strategies.mixout.p": 0.5}])
    assert "strategies.mixout is false, so the trial has no such setting" in error.problem
    assert "it has no strategies.mixout.p" in refusal(MIXOUT, enqueue=[{"strategies.mixout": True}]).problem
    kept = searched(MIXOUT, enqueue=[on, off]).enqueue
    assert kept == ({"strategies.mixout.p": 0.5, "strategies.mixout": True}, off)


def test_enqueued_trials_are_trials_of_the_total_and_each_is_another_one():
    good = {"batch_size": 8, "weight_decay": 0.1}
    assert "2 trials, but n_trials is 1" in refusal(LISTED, enqueue=[good, good | {"batch_size": 16}], n_trials=1).problem
    assert "the same as number 0" in refusal(LISTED, enqueue=[good, good]).problem


def test_steps_are_the_decimals_that_were_written():
    space = searched({"weight_decay": STEPS, "batch_size": {"low": 8, "high": 32, "integer": True, "step": 8}}).space
    assert listed_values(space["weight_decay"]) == (0.0, 0.1, 0.2, 0.3)
    values = listed_values(space["batch_size"])
    assert (values, {type(value) for value in values}) == ((8, 16, 24, 32), {int})
