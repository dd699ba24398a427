"""A study that is killed again and again, anywhere and at any moment, comes out as the one left in peace; see benchmarks."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks import kill_study
from benchmarks.kill_study import Kills, page, table
from tests.helpers.store_checks import differences, misloggings


@pytest.mark.slow  # in `make test` a command and its worker are killed by tests/flows/test_repair_command.py
def test_sixteen_kills_change_no_bit(tmp_path):
    """Each place twice at each kind of moment. A kill costs 1.4 commands on average, each with its start, so more take hours."""
    result, _ = kill_study.kill_study(16, 1, tmp_path)
    assert result.faults == []
    assert Counter((kill["place"], kill["since"] == "work") for kill in result.kills) == dict.fromkeys(kill_study.KINDS, 2)
    assert result.studies >= 2


def test_kills_hit_every_place_at_every_kind_of_moment_all_over_the_time():
    draws = kill_study.drawn(16, 5)
    assert Counter(draw[:2] for draw in draws) == dict.fromkeys(kill_study.KINDS, 2)
    assert sorted(int(16 * draw.share) for draw in draws) == list(range(16))
    assert draws == kill_study.drawn(16, 5) != kill_study.drawn(16, 6)
    assert set(kill_study.drawn(17, 5)[:16]).isdisjoint(draws)  # other moments, but of every kind
    assert len(kill_study.drawn(17, 5)) == 17


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
    assert "4 kills (1 of the command, 1 of the server, 1 of the template, 1 of the worker)" in text
    assert "| searching | 4 |" in text
    assert "1 faults:\nstudy 1: summary" in text
    assert "--kills 4 --seed 7" in text
    assert "every study bit for bit as the undisturbed one" in table(Kills(kills, 2, 8), 20.0)
