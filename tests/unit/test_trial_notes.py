"""Notes on the pages of Optuna's dashboard: which runs of MLflow a trial trained, in the form that the dashboard reads."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from bertft_core.records import SweepResult
from bertft_core.report.prose.trial_notes_text import LoggedId, notes
from bertft_core.sweep.arm_search import Search
from bertft_core.sweep.journal_file import problem_of
from bertft_core.sweep.trial_notes import PIECE, write_notes
from tests.helpers.made_up_searches import finished, make_search

THREE_TRIALS = {"n_trials": 3, "n_seeds": 2, "trials_per_batch": 2}


@pytest.fixture(scope="module")
def dashboard() -> ModuleType:
    """What the dashboard reads notes with; the rest of it takes five seconds to import."""
    package = importlib.util.find_spec("optuna_dashboard")
    assert package is not None
    spec = importlib.util.spec_from_file_location("notes_of_dashboard", Path(str(package.origin)).with_name("_note.py"))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def done(tmp_path) -> tuple[Search, SweepResult]:
    return finished(tmp_path, **THREE_TRIALS)


def note_of(dashboard: ModuleType, search: Search, trial: int | None) -> str:
    storage = JournalStorage(JournalFileBackend(str(search.journal_path)))
    study = storage.get_study_id_from_name(search.journal.name)
    return str(dashboard.get_note_from_system_attrs(storage.get_study_system_attrs(study), trial)["body"])


def test_the_dashboard_shows_the_runs_of_a_trial_and_of_the_search(dashboard, done):
    search, result = done
    first, last = result.trials[0], result.trials[-1]
    logged = {
        result.digest: LoggedId("f00", None),
        first.run_digests[0]: LoggedId("0a", "http://lab/#/experiments/1/runs/0a"),
    }
    write_notes(search.journal_path, search.journal.name, notes(result, logged))
    assert note_of(dashboard, search, None).endswith("MLflow run of the search: `f00`")
    shown = note_of(dashboard, search, 0)
    assert f"- seed 1, {first.scores[0]:.3f}: [0a](http://lab/#/experiments/1/runs/0a)" in shown
    assert f"- seed 2, {first.scores[1]:.3f}: not logged" in shown
    assert note_of(dashboard, search, last.number).count("- seed ") == len(last.run_digests)
    assert problem_of(search.journal_path) is None


def test_what_is_there_is_not_written_again_and_another_note_replaces_it(dashboard, done):
    search, _ = done
    write_notes(search.journal_path, search.journal.name, {1: "x" * (PIECE + 1)})
    size = search.journal_path.stat().st_size
    write_notes(search.journal_path, search.journal.name, {1: "x" * (PIECE + 1)})
    assert search.journal_path.stat().st_size == size
    for long in ("y" * (3 * PIECE + 1), "z" * 4 * PIECE):
        write_notes(search.journal_path, search.journal.name, {1: long})
        assert note_of(dashboard, search, 1) == long
        write_notes(search.journal_path, search.journal.name, {1: "short"})
        assert note_of(dashboard, search, 1) == "short"


def test_what_somebody_wrote_on_the_dashboard_stays(dashboard, done):
    search, _ = done
    storage = JournalStorage(JournalFileBackend(str(search.journal_path)))
    study, trials = storage.get_study_id_from_name(search.journal.name), search.journal.trials()
    dashboard.save_note_with_version(storage, study, trials[0]._trial_id, 1, "before")
    write_notes(search.journal_path, search.journal.name, {0: "ours", 1: "ours"})
    dashboard.save_note_with_version(storage, study, trials[1]._trial_id, 2, "after")
    write_notes(search.journal_path, search.journal.name, {0: "newer", 1: "newer", 2: "newer"})
    assert [note_of(dashboard, search, number) for number in range(3)] == ["before", "after", "newer"]


def test_the_trials_stay_as_they_are_and_a_journal_that_is_damaged_too(done):
    search, result = done
    write_notes(search.journal_path, search.journal.name, {None: "note", 0: "note"})
    assert make_search(search.journal_path.parent, **THREE_TRIALS).result(None) == result
    search.journal_path.write_bytes(b"{\n")
    write_notes(search.journal_path, search.journal.name, {None: "note"})
    assert search.journal_path.read_bytes() == b"{\n"
