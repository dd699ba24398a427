"""Whatever bytes a record, its curves or a journal hold, the outcome is what is whole of it, or that it is damaged."""

from __future__ import annotations

import platform
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from bertft_core.config import UserError
from bertft_core.config.base import Frozen
from bertft_core.data.prepared_damage import Checksums
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records.encoder_proof import EncoderProof
from bertft_core.records.probe_record import LayerDrift, LayerSimilarity, ProbeRecord
from bertft_core.records.verification_record import Verification
from bertft_core.storage.curve_lines import curve_events
from bertft_core.storage.study_dir import Damaged, StudyDir, checked_record, write_record
from bertft_core.storage.study_results import StudyResults
from bertft_core.sweep.journal_file import Seal, problem_of, repair_file, seal_path
from bertft_core.sweep.trial_journal import TrialJournal
from bertft_core.sweep.trial_rules import TrialOutcome
from bertft_core.training.checkpoint import POSITION, TENSORS, CheckpointWriter, Position, load_checkpoint
from tasks.process_identity import TAGS, owner_in, this_process
from tasks.study_lock import HOLDER_FILE, held, is_held, take_lock
from tests.helpers.comparison_records import make_comparison
from tests.helpers.fuzzing import N_QUICK, N_SLOW, fuzz, fuzz_in_child
from tests.helpers.made_up_searches import make_search
from tests.helpers.small_records import make_card, make_record, make_spec, make_study, make_sweep


def _run(folder: Path) -> Frozen:
    card = make_card(folder)
    return make_record(make_spec(make_study(), card), card, StudyDir(folder, "small"))


def _summary(folder: Path) -> Frozen:
    study, card, study_dir = make_study(arms={"full": {}}), make_card(folder), StudyDir(folder, "small")
    planned = plan_runs(study, card, {})
    records = {spec.digest: make_record(spec, card, study_dir) for spec in planned}
    return summarize(StudyResults(study, card, study_dir, records, planned, {}))


def _verification(folder: Path) -> Frozen:
    run = {"run_digest": "a", "title": "full · seed 000", "recorded_at": "x", "how": "verify", "checked_at": "x", "machine": "x"}
    finding = {"verdict": "bitwise", "differences": []}
    check = {"check": "resume", "n_steps": 3, "passed": True, "gradient_error": 1e-7, "details": {"n_passes": 2}}
    shared = {name: run[name] for name in ("title", "run_digest", "checked_at", "machine")}
    return Verification.model_validate({"runs": [run | {"finding": finding}], "checks": [check | shared]})


def _probes(folder: Path) -> Frozen:
    drift = [LayerDrift(where="layer 0", l2=0.5, relative_l2=None)]
    similarity = [LayerSimilarity(where="layer 0", biased=0.9, unbiased=None)]
    return ProbeRecord(run_digest="a", probes_digest="b", drift=drift, similarity=similarity, error="x")


SAMPLES: dict[str, Callable[[Path], Frozen]] = {
    "config": lambda folder: make_study(),
    "card": make_card,
    "spec": lambda folder: make_spec(make_study(), make_card(folder)),
    "run": _run,
    "sweep": lambda folder: make_sweep(StudyDir(folder, "small")),
    "summary": _summary,
    "comparison": lambda folder: make_comparison(),
    "seal": lambda folder: Seal(size=3, sha256="0" * 64),
    "verification": _verification,
    "probes": _probes,
    "position": lambda folder: Position(digest="a", step=3, best_score=0.5, scaler={"scale": 2.0}),
    "holder": lambda folder: this_process(),
    "proof": lambda folder: EncoderProof(key="a", new_parts=("classifier",), unused_parts=()),
    "checksums": lambda folder: Checksums(files={"train.arrow": "0" * 64}),
}


@pytest.mark.parametrize("n", [N_QUICK])
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


@pytest.mark.parametrize("n", [N_QUICK])
def test_a_lock_whose_holder_is_written_in_any_bytes_is_refused_all_the_same(tmp_path, n):
    study_dir = StudyDir(tmp_path, "small")
    with held(study_dir), pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.study_lock.PROBED_SECONDS", 0.0)
        path = study_dir.path / HOLDER_FILE

        def read(path: Path) -> None:
            with pytest.raises(UserError, match="another command is running"):
                take_lock(study_dir, FileLock(study_dir.path / "lock"))
            assert is_held(study_dir)

        fuzz(read, path, (path.read_bytes(),), n)


@pytest.mark.parametrize("n", [N_QUICK])
def test_the_owner_of_a_run_in_any_tags(tmp_path, n):
    def read(path: Path) -> None:
        words = path.read_bytes().decode(errors="surrogateescape").split(" ", 2)
        owner = owner_in(dict(zip(TAGS.values(), words, strict=False)))
        assert owner is None or owner.is_gone in (True, False)

    fuzz(read, tmp_path / "tags", (f"{platform.node()} 1 1700000000.5".encode(), b"box 4194305 1e9"), n)


@pytest.mark.parametrize("n", [N_QUICK])
def test_a_checkpoint_whose_position_is_of_any_bytes_is_taken_whole_or_set_aside(tmp_path, n):
    tensors = {"weight": torch.ones(2)}
    writer = CheckpointWriter(tmp_path)
    writer.save(Position(digest="a", step=3, best_score=0.5), tensors)
    writer.wait()
    folder = tmp_path / "step-00000003"
    position, state = (folder / POSITION).read_bytes(), (folder / TENSORS).read_bytes()

    def read(path: Path) -> None:
        folder.mkdir(exist_ok=True)
        path.rename(folder / POSITION)
        (folder / TENSORS).write_bytes(state)
        problems: list[str] = []
        found = load_checkpoint(tmp_path, "a", tell=problems.append)
        assert found is None or found[0].digest == "a"
        assert (found is None) == bool(problems) != folder.exists()

    fuzz(read, tmp_path / "position", (position,), n)


@pytest.mark.parametrize("n", [N_QUICK])
def test_curves_of_any_bytes(tmp_path, n):
    fuzz(curve_events, tmp_path / "curves.jsonl", (b'{"kind": "step", "step": 1, "loss": 0.5}\n' * 3,), n)


@pytest.mark.parametrize("n", [N_QUICK])
def test_a_journal_of_any_bytes(tmp_path, n):
    def read(path: Path) -> None:
        repair_file(path)
        problem_of(path)

    fuzz(read, tmp_path / "journal.log", (b'{"op_code": 0, "worker_id": "x", "study_name": "s", "directions": [1]}\n' * 2,), n)


def _journal(folder: Path) -> bytes:
    """A journal as a search writes it: a trial that has finished and one that runs."""
    search = make_search(folder)
    for trial in search.next_batch()[:1]:
        outcome = TrialOutcome(state="complete", scores=(0.5,), intermediate={0: 0.4}, run_digests=("a",))
        search.journal.tell(trial.number, outcome)
    return search.journal_path.read_bytes()


@pytest.mark.parametrize("n", [N_QUICK])
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


FUZZED = (
    *((test_a_record_of_any_bytes, name) for name in SAMPLES),
    (test_a_lock_whose_holder_is_written_in_any_bytes_is_refused_all_the_same,),
    (test_the_owner_of_a_run_in_any_tags,),
    (test_a_checkpoint_whose_position_is_of_any_bytes_is_taken_whole_or_set_aside,),
    (test_curves_of_any_bytes,),
    (test_a_journal_of_any_bytes,),
    (test_a_journal_of_any_bytes_is_opened_or_set_aside,),
)


@pytest.mark.slow
@pytest.mark.parametrize("call", FUZZED, ids=lambda call: "-".join([call[0].__name__, *call[1:]]))
def test_many_inputs_in_bounded_memory(tmp_path, call):
    test, *names = call
    fuzz_in_child(__name__, test.__name__, tmp_path, *names, N_SLOW)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda content: b'{"op_code": 0}\n', "Optuna cannot read it (KeyError)"),
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
