"""Studies that are killed decide as those that were not: many seeds start and the best go on, bit for bit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.planning.wanted_runs import WantedRuns, planned_runs
from bertft_core.records import RunRecord, RunSpec, StudySummary
from bertft_core.records.selection import answers, ranked, starter
from bertft_core.storage.damage import find_damage
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from bertft_core.training.run import train_run
from tests.helpers.tiny_studies import tiny_study

MANY = {"start": 3, "stop_at": 0.4, "keep": 1}


OFTEN = {"evaluate_every_epochs": None, "evaluate_every_steps": 3}


class Killed(Exception):
    """The machine went away."""


class Study:
    """A study that is carried out in this process, as the flow does it; `kill_after` optimizer steps it is killed."""

    def __init__(self, folder: Path, **changes) -> None:
        self.study, self.card = tiny_study(folder, arms={"full": {}}, training=OFTEN, **changes)
        self.dir = StudyDir(folder / "home", "tiny")
        self.trained: list[tuple[int, bool]] = []

    def run(self, kill_after: int | None = None) -> dict[str, RunRecord]:
        records: dict[str, RunRecord] = {}
        self._left = kill_after
        while todo := WantedRuns(self.planned(records), []).unanswered(records):
            for spec in todo:
                stored = self.dir.record(spec.digest)
                done = stored is not None and answers(stored, spec)
                records[spec.digest] = stored if done else self._train(spec)
        return records

    def planned(self, records: dict[str, RunRecord]) -> list[RunSpec]:
        return planned_runs(self.study, self.card, {}, records)

    def _train(self, spec: RunSpec) -> RunRecord:
        self.trained.append((spec.index, spec.stop_at is not None))
        spec = spec.model_copy(update={"checkpoint_every_steps": 2})
        return train_run(spec, run_dir=self.dir.run_dir(spec.digest), on_event=self._on_event)

    def _on_event(self, event: dict) -> None:
        if event["kind"] == "step" and self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Killed

    def summary(self, records: dict[str, RunRecord]) -> StudySummary:
        return summarize(StudyResults(self.study, self.card, self.dir, records, self.planned(records)))


def results(records: dict[str, RunRecord]) -> dict[str, tuple]:
    """What a run came to, without when and how often."""
    return {d: (r.status, r.n_steps, r.weights_sha256, r.evaluations, r.files, r.spec.stop_at) for d, r in records.items()}


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> tuple[Study, dict[str, RunRecord]]:
    study = Study(tmp_path_factory.mktemp("many"), seeds=MANY)
    return study, study.run()


def test_many_start_and_the_best_go_on_bit_for_bit(many, tmp_path):
    study, records = many
    assert study.trained[:3] == [(i, True) for i in range(3)]
    assert [stopping for _, stopping in study.trained[3:]] == [False]
    by_index = {record.spec.index: record for record in records.values()}
    best = ranked([starter(r, 0.4, "maximize") for r in records.values()], "maximize")[:1]
    for index, record in by_index.items():
        went_on = index in {one.seed_index for one in best}
        assert (record.status == "pruned", record.n_steps) == (not went_on, 15 if went_on else 6)
        assert record.spec.kept_of == (3 if went_on else None)
        if went_on:
            whole = train_run(record.spec.model_copy(update={"kept_of": None}), run_dir=tmp_path / str(index))
            assert results({"": whole}) == results({"": record})
        else:
            assert (record.final, record.predictions, len(record.evaluations)) == ({}, {}, 2)


@pytest.mark.parametrize("kill_after", [14, 22])
def test_a_killed_study_ends_as_one_that_was_not(many, tmp_path, kill_after):
    """In the last seed that starts, and while the best goes on."""
    study = Study(tmp_path, seeds=MANY)
    with pytest.raises(Killed):
        study.run(kill_after)
    assert list(find_damage(study.dir)) == []  # curves that grew since the cut are no damage
    assert results(study.run()) == results(many[1])


def test_selected_seeds_are_reported_and_are_no_sample(many):
    study, records = many
    summary = study.summary(records)
    (arm,) = summary.arms
    found = arm.selected
    assert found is not None
    assert (found.cost, len(found.seeds), sum(seed.kept for seed in found.seeds)) == (pytest.approx(1.8), 3, 1)
    assert found.best in {seed.index for seed in found.seeds if seed.kept}
    assert {(row.n, row.sd, row.t_low) for row in arm.metrics} == {(1, None, None)}
    assert summary.gains_over_majority == ()
    assert StudySummary.model_validate_json(summary.model_dump_json()) == summary


def test_a_state_that_is_gone_costs_time_and_nothing_else(many, tmp_path):
    study = Study(tmp_path, seeds=MANY)
    with pytest.raises(Killed):
        study.run(22)
    for state in study.dir.path.glob("runs/*/checkpoint"):
        shutil.rmtree(state)
    assert results(study.run()) == results(many[1])


def test_an_earlier_whole_run_is_a_starter_too(many, tmp_path):
    study = Study(tmp_path, seeds=MANY)
    for spec in plan_runs(study.study.model_copy(update={"seeds": study.study.seeds.model_copy(update=ALL)}), study.card, {}):
        train_run(spec, run_dir=study.dir.run_dir(spec.digest))
    records = study.run()
    assert study.trained == []
    shown, expected = (study.summary(r).arms[0].selected for r in (records, many[1]))
    assert shown == expected


ALL = {"n": 3, "start": None, "stop_at": None, "keep": None}
