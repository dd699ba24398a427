"""What a search will cost is estimated over its whole space, not with the arm's own settings."""

from __future__ import annotations

import pytest

from bertft_core.config import parse_study
from bertft_core.library.study_on_disk import StudyOnDisk
from bertft_core.planning.typical_trials import typical_settings
from bertft_core.storage.study_dir import StudyDir
from flows.cli.plan_command import print_plan
from flows.cli.planned_work import _parts
from tests.helpers.tiny_studies import tiny_study

SPACE = {
    "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "epochs": {"low": 1, "high": 8, "integer": True},
    "weight_decay": {"low": 0.0, "high": 0.8, "step": 0.1},
    "strategies.mixout": {"choices": [True, False]},
    "strategies.mixout.p": {"low": 0.0, "high": 0.8},
    "batch_size": {"low": 1, "high": 100, "log": True, "integer": True},
}


def space_of(space):
    data = {"source": "bundled", "name": "reviews"}
    return parse_study({"name": "s", "data": data, "arms": {"a": {"search": {"space": space}}}}).arms["a"].search.space


def test_typical_settings_are_spread_over_the_space():
    trials = typical_settings(space_of(SPACE), 64)
    assert sorted({trial["epochs"] for trial in trials}) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sorted({trial["weight_decay"] for trial in trials}) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    for decade in range(-5, -1):
        assert sum(10**decade <= trial["learning_rate"] < 10 ** (decade + 1) for trial in trials) == pytest.approx(16, abs=3)
    assert {type(trial["batch_size"]) for trial in trials} == {int}
    assert sum(trial["batch_size"] <= 10 for trial in trials) == pytest.approx(32, abs=6)
    on = [trial for trial in trials if trial["strategies.mixout"]]
    assert len(on) == pytest.approx(32, abs=4)
    assert all(("strategies.mixout.p" in trial) == trial["strategies.mixout"] for trial in trials)
    assert sum(trial["strategies.mixout.p"] for trial in on) / len(on) == pytest.approx(0.4, abs=0.1)


@pytest.mark.parametrize("name", ["epochs", "learning_rate"])
def test_eight_are_enough_for_the_mean_of_one_setting(name):
    values = [trial[name] for trial in typical_settings(space_of({name: SPACE[name]}))]
    below = sum(value <= {"epochs": 4, "learning_rate": 1e-3}[name] for value in values)
    assert below == 4


def test_a_plan_counts_the_runs_of_a_search_as_its_space_has_them(tmp_path, capsys):
    def planned(search):
        study, card = tiny_study(tmp_path, arms={"full": {"epochs": 1} | search}, seeds={"n": 3})
        return _parts(study, card, StudyOnDisk(study, StudyDir(tmp_path / "home", study.name), card)), study

    space = {"epochs": {"low": 1, "high": 8, "integer": True}, "data.max_length": {"choices": [8, 48]}}
    (searched, seeds), study = planned({"search": {"space": space, "n_trials": 5, "n_seeds": 2}})
    assert [(stage, times * len(like)) for stage, _, like, times, _ in (searched, seeds)] == [("search", 10), ("seeds", 3)]
    for _, _, like, _, _ in (searched, seeds):
        assert sum(spec.training.epochs for spec in like) / len(like) == pytest.approx(4.5, abs=0.6)
        assert len({spec.data_fingerprint for spec in like}) == 2
    ((_, _, own, times, _),), plain = planned({})
    assert ({spec.training.epochs for spec in own}, times * len(own)) == ({1}, 3)
    assert print_plan(study, tmp_path / "home") > 13 / 3 * print_plan(plain, tmp_path / "home")
    out = capsys.readouterr().out
    assert "10 runs to train, 0 done" in out
    assert "3 runs to train, 0 done" in out
