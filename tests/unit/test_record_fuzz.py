"""Whatever bytes a record, its curves or a journal hold, the outcome is what is whole of it, or that it is damaged."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bertft_core.config.base import Frozen
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.storage import StudyDir
from bertft_core.storage.curve_lines import curve_events
from bertft_core.storage.study_dir import Damaged, checked_record, write_record
from bertft_core.storage.study_results import StudyResults
from bertft_core.sweep.journal_file import Seal, problem_of, repair_file, seal_path
from bertft_core.sweep.trial_journal import TrialJournal
from bertft_core.sweep.trial_rules import TrialOutcome
from tests.helpers.comparison_records import make_comparison
from tests.helpers.fuzzing import N_QUICK, N_SLOW, fuzz
from tests.helpers.made_up_searches import make_search
from tests.helpers.small_records import make_card, make_record, make_spec, make_study, make_sweep

how_many = pytest.mark.parametrize("n", [N_QUICK, pytest.param(N_SLOW, marks=pytest.mark.slow)])


def _run(folder: Path) -> Frozen:
    card = make_card(folder)
    return make_record(make_spec(make_study(), card), card, StudyDir(folder, "small"))


def _summary(folder: Path) -> Frozen:
    study, card, study_dir = make_study(arms={"full": {}}), make_card(folder), StudyDir(folder, "small")
    planned = plan_runs(study, card, {})
    records = {spec.digest: make_record(spec, card, study_dir) for spec in planned}
    return summarize(StudyResults(study, card, study_dir, records, planned, {}))


SAMPLES: dict[str, Callable[[Path], Frozen]] = {
    "config": lambda folder: make_study(),
    "card": make_card,
    "spec": lambda folder: make_spec(make_study(), make_card(folder)),
    "run": _run,
    "sweep": lambda folder: make_sweep(StudyDir(folder, "small")),
    "summary": _summary,
    "comparison": lambda folder: make_comparison(),
    "seal": lambda folder: Seal(size=3, sha256="0" * 64),
}


@how_many
@pytest.mark.parametrize("name", SAMPLES)
def test_a_record_of_any_bytes(tmp_path, name, n):
    sample = SAMPLES[name](tmp_path)
    write_record(tmp_path / "sample.json", sample)
    signed = (tmp_path / "sample.json").read_bytes()
    unsigned = b"{" + signed.split(b",", 1)[1]  # without a checksum, as older versions wrote it: damage reaches the fields

    def read(path: Path) -> None:
        with suppress(Damaged):
            checked_record(path, type(sample))

    fuzz(read, tmp_path / "record.json", (signed, unsigned, unsigned.replace(b'"version": 2', b'"version": 1')), n)


@how_many
def test_curves_of_any_bytes(tmp_path, n):
    fuzz(curve_events, tmp_path / "curves.jsonl", (b'{"kind": "step", "step": 1, "loss": 0.5}\n' * 3,), n)


@how_many
def test_a_journal_of_any_bytes(tmp_path, n):
    def read(path: Path) -> None:
        repair_file(path)
        problem_of(path)

    fuzz(read, tmp_path / "journal.log", (b'{"op_code": 0, "worker_id": "x", "study_name": "s", "directions": [1]}\n' * 2,), n)


def _journal(folder: Path) -> bytes:
    """A journal as a search writes it: a trial that is told and one that runs."""
    search = make_search(folder)
    for trial in search.next_batch()[:1]:
        outcome = TrialOutcome(state="complete", scores=(0.5,), intermediate={0: 0.4}, run_digests=("a",))
        search.journal.tell(trial.number, outcome)
    return search.journal_path.read_bytes()


@how_many
def test_a_journal_of_any_bytes_is_opened_or_set_aside(tmp_path, n):
    sample = _journal(tmp_path / "search")
    sealed = len(sample)
    assert sealed > 500
    name = make_search(tmp_path / "search").journal.name

    def read(path: Path) -> None:
        seal_path(path).unlink(missing_ok=True)  # the content must be looked at itself
        messages: list[str] = []
        journal = TrialJournal(path, name, "maximize", messages.append)
        assert len(journal.trials()) == 0 or not messages
        for old in path.parent.glob("*damaged*"):
            old.unlink()

    fuzz(read, tmp_path / "journal.log", (sample,), n)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda content: b'{"worker_id": "x"}\n', "Optuna cannot read it (KeyError)"),
        (lambda content: content.replace(b'"directions":[2]', b'"directions":[1]'), "it is of a search in the other direction"),
    ],
)
def test_a_journal_that_optuna_stops_at_or_of_another_search_is_set_aside(tmp_path, change, problem):
    sample, path = _journal(tmp_path / "search"), tmp_path / "journal.log"
    name = make_search(tmp_path / "search").journal.name
    path.write_bytes(change(sample))
    messages: list[str] = []
    assert TrialJournal(path, name, "maximize", messages.append).trials() == []
    assert len(messages) == 1
    assert problem in messages[0]
