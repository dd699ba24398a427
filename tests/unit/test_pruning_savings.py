"""What pruning has saved of a search, counted by hand."""

from __future__ import annotations

import pytest

from bertft_core.records import TrialRow
from bertft_core.records.sweep_result import PruningSavings, SweepResult
from bertft_core.report.prose import model_selection_text
from bertft_core.storage.study_dir import StudyDir
from bertft_core.sweep.pruning_savings import savings_of
from tests.helpers.made_up_searches import finish, make_search, train
from tests.helpers.small_records import make_sweep


def trial(number, state, *digests) -> TrialRow:
    return TrialRow(number=number, state=state, params={}, score=None, run_digests=digests)


@pytest.fixture
def records(tmp_path):
    """Runs of 100 planned steps: `a` to `f` trained to their end, `p` stopped after 30, `x` failed after 5."""
    search = make_search(tmp_path)
    found = {}

    def kept(spec):
        found[spec.digest] = train(spec)
        return found[spec.digest]

    finish(search, kept)
    run = next(iter(found.values())).model_copy(update={"planned_steps": 100})
    runs = {name: run.model_copy(update={"status": "ok", "n_steps": 100}) for name in "abcdef"}
    runs["p"] = run.model_copy(update={"status": "pruned", "n_steps": 30})
    runs["x"] = run.model_copy(update={"status": "failed", "n_steps": 5})
    return runs


def test_runs_never_trained_and_steps_not_reached_are_saved(records):
    rows = [trial(0, "complete", "a", "b", "c"), trial(1, "pruned", "d"), trial(2, "pruned", "e", "p"), trial(3, "failed", "x")]
    found = savings_of(rows, 3, records)
    assert found == PruningSavings(n_runs=12, n_spared=3, n_stopped=1, n_steps=1200, n_steps_saved=200 + 70 + 100)


def test_a_failed_trial_and_a_complete_one_save_nothing(records):
    found = savings_of([trial(0, "complete", "a", "b"), trial(1, "failed", "x")], 2, records)
    assert (found.n_spared, found.n_stopped, found.n_steps_saved, found.n_steps) == (0, 0, 0, 400)


def test_it_is_unknown_without_the_record_of_a_run(records):
    assert savings_of([trial(0, "complete", "a", "gone")], 2, records) is None
    assert savings_of([trial(0, "pruned")], 2, records) is None


@pytest.mark.parametrize(
    ("saved", "sentence"),
    [
        (None, ""),
        ((12, 0, 0, 1200, 0), "Pruning saved nothing: no trial fell behind."),
        (
            (12, 3, 1, 1200, 370),
            "Pruning spared 3 of 12 runs and stopped 1 run early: 31 % of the optimizer steps of all trials and seeds were not "
            "trained.",
        ),
        (
            (12, 0, 2, 1200, 600),
            "Pruning stopped 2 runs early: 50 % of the optimizer steps of all trials and seeds were not trained.",
        ),
    ],
)
def test_a_sentence_says_what_was_saved(tmp_path, saved, sentence):
    names = ("n_runs", "n_spared", "n_stopped", "n_steps", "n_steps_saved")
    savings = None if saved is None else PruningSavings(**dict(zip(names, saved, strict=True)))
    sweep = make_sweep(StudyDir(tmp_path, "s")).model_copy(update={"savings": savings})
    assert model_selection_text.savings(sweep) == sentence
    assert SweepResult.model_validate_json(sweep.model_dump_json()) == sweep
    assert ("savings" in sweep.model_dump()) == (saved is not None)
