"""Every sampler keeps the laws of a search: repeatable, resumable, made longer as if it had been longer from the start."""

from __future__ import annotations

import math
import random
from typing import Any, get_args

import optuna
import pytest

from bertft_core.config.sampler_spaces import Sampler
from bertft_core.planning.run_specs import search_digest
from bertft_core.seeds import derive_seed, seed_triple
from bertft_core.sweep.samplers import SAMPLERS, _sampler
from bertft_core.sweep.search_report import write_sweep_report
from bertft_core.sweep.trial_journal import suggest
from tests.helpers.made_up_searches import (
    LEARNING_RATES,
    Interrupted,
    die_after,
    finish,
    make_run,
    make_search,
    rows,
    train,
    train_batch,
)
from tests.helpers.small_records import make_card, make_study

CHOICES = {"learning_rate": LEARNING_RATES, "batch_size": {"choices": [8, 16, 32]}}
NUMBERS = {"learning_rate": LEARNING_RATES, "batch_size": {"low": 8, "high": 32, "integer": True, "step": 8}}
LISTED = {"learning_rate": {"choices": [1e-5, 1e-4, 1e-3]}, "weight_decay": {"low": 0.0, "high": 0.3, "step": 0.1}}
GOOD = [{"learning_rate": 1e-4, "batch_size": 8}, {"learning_rate": 2e-4, "batch_size": 16}]
CASES: dict[str, dict[str, Any]] = {
    "tpe": {"sampler": "tpe", "space": CHOICES, "multivariate": False},
    "tpe, grouped": {"sampler": "tpe", "space": NUMBERS, "group": True, "enqueue": GOOD},
    "random": {"sampler": "random", "space": CHOICES, "enqueue": GOOD},
    "grid": {"sampler": "grid", "space": LISTED},
    "qmc": {"sampler": "qmc", "space": CHOICES, "enqueue": GOOD},
    "gp": {"sampler": "gp", "space": CHOICES, "enqueue": GOOD},
    "cmaes": {"sampler": "cmaes", "space": NUMBERS, "enqueue": GOOD},
}
N = 7
"""Trials: a batch of four, and one of three that knows the scores of the first."""
EVERY = pytest.mark.parametrize("case", CASES)
GP_SLOWLY = pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow if case == "gp" else ()) for case in CASES]
)
"""A Gaussian process takes a second of a search."""
FIRST = seed_triple(0, init=0, order=0, dropout=0)
KNOW_SCORES = ("tpe", "gp", "cmaes")


def search(directory, case, **changes):
    return make_search(directory, **{"n_trials": N} | CASES[case] | changes)


def params(searched):
    return [trial.params for trial in searched.journal.trials()]


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    """Case → the trials of a search that nobody interrupted, made when they are first asked for."""
    known: dict[str, list[tuple]] = {}

    def whole(case):
        if case not in known:
            known[case] = rows(finish(search(tmp_path_factory.mktemp("whole"), case)))
        return known[case]

    return whole


def test_every_sampler_is_tried():
    assert {case["sampler"] for case in CASES.values()} == set(SAMPLERS) == set(get_args(Sampler))


@EVERY
def test_a_search_is_repeatable_and_another_seed_gives_other_trials(tmp_path, wholes, case):
    assert rows(finish(search(tmp_path / "again", case))) == wholes(case)
    n_given = len(CASES[case].get("enqueue", ()))
    others = params(finish(search(tmp_path / "other", case, study={"seed": 1})))
    assert others[n_given:] != [row[2] for row in wholes(case)][n_given:]


@EVERY
def test_a_search_interrupted_after_every_step_has_the_trials_of_one_that_was_not(tmp_path, wholes, case):
    """Each step is taken by a search of its own, which knows nothing but the journal; a batch ends in any order."""
    while batch := search(tmp_path, case).next_batch():
        outcomes = train_batch(search(tmp_path, case), batch)
        for number in random.Random(3).sample(sorted(outcomes), len(outcomes)):
            search(tmp_path, case).tell(number, outcomes[number])
    assert rows(search(tmp_path, case)) == wholes(case)


@GP_SLOWLY
@pytest.mark.parametrize("n_writes", [3, 33])
def test_a_search_that_dies_at_a_write_goes_on_as_if_nothing_happened(tmp_path, wholes, monkeypatch, case, n_writes):
    with monkeypatch.context() as patch:
        die_after(patch, n_writes)
        with pytest.raises(Interrupted):
            finish(search(tmp_path, case))
    assert rows(finish(search(tmp_path, case))) == wholes(case)


@GP_SLOWLY
@pytest.mark.parametrize("earlier", [5, 10])
def test_a_search_whose_total_is_changed_has_the_trials_of_one_that_had_it_from_the_start(tmp_path, wholes, case, earlier):
    finish(search(tmp_path, case, n_trials=earlier))
    assert rows(finish(search(tmp_path, case)))[:N] == wholes(case)


@EVERY
def test_only_those_samplers_know_scores_that_say_so(tmp_path, wholes, case):
    def upside_down(spec):
        return make_run(spec, [1 - train(spec, diverges_above=1.0).best_score])

    before, after = [row[2] for row in wholes(case)], params(finish(search(tmp_path, case), upside_down))
    assert after[:4] == before[:4], "no trial of the first batch knows a score"
    assert (after[4:] != before[4:]) == (CASES[case]["sampler"] in KNOW_SCORES)


@pytest.mark.parametrize("name", ["qmc", "cmaes"])
def test_trials_are_those_of_an_optuna_study_that_keeps_its_notes(tmp_path, name):
    """The study lives through the whole search, so the sampler's notes are never made again."""
    ours = search(tmp_path, name, n_trials=16, pruner="none", n_seeds=1, enqueue=[])
    finish(ours, lambda spec: train(spec, diverges_above=1.0))
    space, study = ours.config.space, optuna.create_study(direction="maximize")
    for batch in range(4):
        asked = []
        for number in range(4 * batch, 4 * batch + 4):
            study.sampler = _sampler(ours.config, derive_seed(0, "sampler"), number)
            asked.append(study.ask())
            suggest(asked[-1], space)
        for trial in asked:
            study.tell(trial, ours.journal.trials()[trial.number].value)
    assert [trial.params for trial in study.trials] == params(ours)
    assert any("cma:generation" in trial.system_attrs for trial in study.trials) == (name == "cmaes")


def test_a_grid_tries_each_of_its_settings_once(tmp_path):
    tried = params(finish(search(tmp_path, "grid", n_trials=12)))
    assert sorted((each["learning_rate"], each["weight_decay"]) for each in tried) == [
        (rate, decay) for rate in (1e-5, 1e-4, 1e-3) for decay in (0.0, 0.1, 0.2, 0.3)
    ]


def test_the_points_of_qmc_are_spread_evenly(tmp_path):
    """Of 16 Sobol points one falls into each sixteenth of every setting; random ones almost never do."""
    space = {"learning_rate": LEARNING_RATES, "weight_decay": {"low": 0.0, "high": 0.16}}
    tried = params(finish(search(tmp_path, "qmc", space=space, enqueue=[], n_trials=16, n_seeds=1)))
    assert sorted(int(each["weight_decay"] * 100) for each in tried) == list(range(16))
    assert sorted(int(16 * (math.log10(each["learning_rate"]) + 5) / 3) for each in tried) == list(range(16))


@pytest.mark.parametrize("name", ["gp", "cmaes"])
def test_a_sampler_that_knows_scores_comes_closer_to_the_best_setting(tmp_path, name):
    space = {"learning_rate": LEARNING_RATES, "weight_decay": {"low": 0.0, "high": 0.1}}
    n = {"gp": 8, "cmaes": 24}[name]
    tried = params(finish(search(tmp_path, name, space=space, enqueue=[], n_trials=n, n_seeds=1)))
    distances = [abs(math.log10(each["learning_rate"]) + 4) for each in tried]
    assert sum(distances[-4:]) < 0.5 * sum(distances[:4])


def test_a_pruned_trial_tells_where_not_to_search(tmp_path):
    """Optuna's CMA-ES would wait for a generation of complete trials, of which a race leaves every other one."""

    def suggested(directory, **changes):
        searched = finish(search(directory, "cmaes", n_trials=8, n_seeds=2, enqueue=[], **changes), always_trained)
        return {trial.state.name for trial in searched.journal.trials()[:4]}, params(searched)[4:]

    def always_trained(spec):
        return train(spec.model_copy(update={"seeds": FIRST, "prune_below": {}}), diverges_above=1.0)

    (raced, after_race), (whole, after_whole) = suggested(tmp_path / "race"), suggested(tmp_path / "whole", pruner="none")
    assert (raced, whole) == ({"COMPLETE", "PRUNED"}, {"COMPLETE"})
    assert after_race == after_whole


@pytest.mark.parametrize("name", ["tpe", "cmaes", "qmc"])
def test_enqueued_trials_come_first_and_are_marked(tmp_path, name):
    searched = finish(search(tmp_path, name, space=NUMBERS, enqueue=GOOD))
    result = searched.result(None)
    assert [row.params for row in result.trials[:2]] == GOOD
    assert [row.enqueued for row in result.trials] == [True, True] + [False] * (N - 2)
    assert all("enqueued" not in row.model_dump() for row in result.trials[2:])
    page = write_sweep_report(searched, result, tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("(enqueued)") == 2


def test_an_enqueued_trial_has_the_settings_of_the_strategies_that_it_turns_on(tmp_path):
    space = {
        "learning_rate": LEARNING_RATES,
        "strategies.mixout.p": {"low": 0.1, "high": 0.9},
        "strategies.mixout": {"choices": [True, False]},
    }
    off = {"learning_rate": 1e-4, "strategies.mixout": False}
    on = {"strategies.mixout.p": 0.5, "learning_rate": 1, "strategies.mixout": True} | {"learning_rate": 1e-3}
    batch = search(tmp_path, "tpe", space=space, enqueue=[off, on]).next_batch()
    assert [trial.params for trial in batch[:2]] == [off, on]


def test_new_options_leave_digests_of_searches_without_them_as_they_were(tmp_path):
    def digest(**changes):
        settings = {"space": CHOICES, "n_trials": 4} | changes
        return search_digest(make_study(arms={"full": {"search": settings}}), make_card(tmp_path), "full")

    plain = make_study(arms={"full": {"search": {"space": NUMBERS | {"weight_decay": {"low": 0, "high": 0.1}}}}})
    stored = plain.arms["full"].search.model_dump(mode="json")
    assert not {"multivariate", "group", "enqueue"} & set(stored)
    assert ["step" in part for part in stored["space"].values()] == [False, True, False]
    assert digest(multivariate=True, group=False, enqueue=[]) == digest()
    options = [{"multivariate": False}, {"group": True}, {"enqueue": GOOD}, {"enqueue": GOOD[:1]}, {"sampler": "gp"}]
    assert len({digest(), *(digest(**each) for each in options)}) == 6
