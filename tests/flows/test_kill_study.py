"""A study that is killed again and again, anywhere and at any moment, comes out as the one left in peace; see benchmarks."""

from __future__ import annotations

import pytest

from benchmarks import kill_study
from benchmarks.kill_study import Kills, page, table
from tests.helpers.store_checks import differences, misloggings


def spent(n_kills: int, seed: int, directory) -> Kills:
    result, _ = kill_study.kill_study(n_kills, seed, directory)
    assert len(result.kills) == n_kills
    return result


@pytest.mark.slow  # in `make test` a command and its worker are killed by tests/flows/test_repair_command.py
def test_two_kills_change_no_bit(tmp_path):
    result = spent(2, 75064, tmp_path)  # this seed draws the command and a worker, early in their work
    assert result.faults == []
    assert {kill["place"] for kill in result.kills} == {"command", "worker"}


@pytest.mark.slow
def test_five_kills_change_no_bit(tmp_path):
    result = spent(5, 75063, tmp_path)  # this seed draws all three places, and early moments: few commands are done before theirs
    assert result.faults == []
    assert {kill["place"] for kill in result.kills} == set(kill_study.PLACES)  # whatever was alive at the moment drawn


@pytest.mark.slow
def test_fifty_kills_change_no_bit(tmp_path):
    result = spent(50, 1, tmp_path)
    assert result.faults == []
    assert result.studies >= 2


def test_a_study_that_came_out_otherwise_is_found(finished, new_study, monkeypatch):
    study = finished.study
    assert differences(study, study) == []
    assert misloggings(study, ("search", "seeds")) == []
    record = next(iter(study.records.values()))
    other, summary = new_study(name="other"), study.summary
    monkeypatch.setattr(type(study), "summary", property(lambda self: summary.model_copy(update={"study": self.name})))
    assert differences(other, study) == ["other runs", "trials of the search", "summary"]
    changed = study.records | {
        record.digest: record.model_copy(update={"weights_sha256": "0" * 64, "n_steps": record.n_steps + 1})
    }
    monkeypatch.setattr(type(study), "records", property(lambda self: changed))
    assert misloggings(study, ("search", "seeds")) == [f"{record.spec.title}: train/loss at {list(range(1, record.n_steps + 1))}"]


def test_the_page_tells_places_stages_and_faults():
    kills = [
        {"place": place, "after_seconds": 0.5, "stage": "[0:05] searching · 0/2 runs", "code": -9} for place in kill_study.PLACES
    ]
    result = Kills(kills, studies=2, runs=8, faults=["study 1: summary"])
    text = page(result, 20.0, 7)
    assert "3 kills (1 of the command, 1 of the server, 1 of the worker)" in text
    assert "| searching | 3 |" in text
    assert "1 faults:\nstudy 1: summary" in text
    assert "--kills 3 --seed 7" in text
    assert "every study bit for bit as the undisturbed one" in table(Kills(kills, 2, 8), 20.0)
