"""Whatever is changed on disk is found, named with what is done about it, set aside, and made again."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.prepared_damage import find_damage as find_damaged_data
from bertft_core.records import RunRecord
from bertft_core.records.verification_record import Verification
from bertft_core.storage.damage import find_damage, refuse_damage, refuse_damaged_model, repair, set_aside
from bertft_core.storage.study_dir import StudyDir, file_sha256, write_record, write_verification
from bertft_core.sweep.journal_file import may_have_running, problem_of, seal_path
from bertft_core.sweep.trial_journal import TrialJournal, let_wait, states_of
from tasks.stored_runs import is_reusable
from tasks.tracking.store_consistency import damages
from tests.helpers.made_up_searches import finish, make_search, rows, train_batch
from tests.helpers.small_records import make_card, make_record, make_spec, make_study, make_sweep
from tests.helpers.tiny_studies import tiny_study


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip_one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def take_another(path: Path) -> None:
    path.write_bytes(b"PAR1 of somebody else PAR1")


DAMAGES = [cut, flip_one_bit, take_another]


@pytest.fixture
def study_dir(tmp_path) -> StudyDir:
    """A study with one finished run whose record has the checksums of its files."""
    study, card, study_dir = make_study(), make_card(tmp_path), StudyDir(tmp_path, "small")
    write_record(study_dir.config_path, study)
    write_record(study_dir.card_path, card)
    write_verification(study_dir.path, Verification())
    record = make_record(make_spec(study, card), card, study_dir)
    folder = study_dir.run_dir(record.digest)
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")] + ["curves.jsonl"]
    assert len(names) >= 3
    write_record(
        folder / "record.json", record.model_copy(update={"files": {name: file_sha256(folder / name) for name in names}})
    )
    return study_dir


def the_record(study_dir: StudyDir) -> RunRecord:
    (record,) = study_dir.records()
    return record


def test_of_a_sound_study_nothing_is_said(study_dir):
    assert list(find_damage(study_dir)) == []
    repair(study_dir, pytest.fail)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "name", ["config.json", "card.json", "verification.json", "runs/*/record.json", "runs/*/curves.jsonl", "runs/*/*/*.parquet"]
)
def test_a_damaged_file_is_named_and_set_aside(study_dir, damage, name):
    path = next(study_dir.path.glob(name))
    missed = name.startswith("runs/*/") and "record" not in name  # its record has its checksum
    damage(path)
    content, messages = path.read_bytes(), []
    repair(study_dir, messages.append)
    (line,) = messages
    assert line.startswith(f"{path.relative_to(study_dir.home_dir)}: ")
    assert line.endswith(f"(set aside as {path.name}.damaged)")
    assert re.search("rewritten|prepared again|trained again|verify makes it again", line)
    assert not path.exists()
    assert path.with_name(f"{path.name}.damaged").read_bytes() == content
    assert [(each.path, each.problem) for each in find_damage(study_dir)] == [(path, "it is missing")] * missed


def in_place_of(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


ELSE = {
    "it is missing": in_place_of(lambda path: None),
    "it is a folder, not a file": in_place_of(Path.mkdir),
    "it is a pipe or a device, not a file": in_place_of(os.mkfifo),
}


@pytest.mark.parametrize("problem", ELSE)
@pytest.mark.parametrize("name", ["runs/*/curves.jsonl", "runs/*/*/*.parquet"])
def test_a_missing_file_and_what_is_in_its_place_are_damage_and_never_waited_for(study_dir, problem, name):
    path = next(study_dir.path.glob(name))
    ELSE[problem](path)
    assert [(each.path, each.problem) for each in find_damage(study_dir)] == [(path, problem)]
    record = the_record(study_dir)
    assert not is_reusable(record, record.spec, study_dir.run_dir(record.digest))
    with pytest.raises(UserError) as caught:
        refuse_damage(study_dir)
    assert (caught.value.code, caught.value.path, caught.value.found) == ("study.damaged", str(path), problem)
    messages: list[str] = []
    repair(study_dir, messages.append)
    assert ("set aside" in messages[0]) == (problem != "it is missing")
    assert not os.path.lexists(path)


@pytest.mark.parametrize("problem", ELSE)
def test_data_that_are_missing_or_no_file_are_made_again(tmp_path, problem):
    study, card = tiny_study(tmp_path)
    path = Path(card.directory) / "train.arrow"
    before = path.read_bytes()
    ELSE[problem](path)
    assert [each.problem for each in find_damaged_data(path.parent, {"train": 0})] == [problem]
    assert prepare_data(study, home_dir=tmp_path / "home", tell=lambda line: None) == card
    assert path.read_bytes() == before


@pytest.mark.parametrize("problem", ELSE)
def test_every_file_of_a_kept_model_is_checked(study_dir, problem):
    record = the_record(study_dir)
    run_dir = study_dir.run_dir(record.digest)
    for name in ("config.json", "tokenizer.json", "bertft_head.json", "model.safetensors"):
        (run_dir / "model").mkdir(exist_ok=True)
        (run_dir / "model" / name).write_text(name)
    sums = {path.relative_to(run_dir).as_posix(): file_sha256(path) for path in (run_dir / "model").iterdir()}
    record = record.model_copy(update={"files": record.files | sums})
    write_record(run_dir / "record.json", record)
    assert list(damages(study_dir, None)) == []
    for name in sums:
        content = (run_dir / name).read_bytes()
        ELSE[problem](run_dir / name)
        assert [(each.path, each.problem) for each in damages(study_dir, None)] == [(run_dir / name, problem)]
        with pytest.raises(UserError) as caught:
            refuse_damaged_model(record, run_dir)
        assert (caught.value.code, caught.value.path, caught.value.found) == ("model.damaged", str(run_dir / name), problem)
        assert list(find_damage(study_dir)) == [], "a model is not what makes a run count"
        repair(study_dir, pytest.fail)
        set_aside(run_dir / name) if os.path.lexists(run_dir / name) else None
        (run_dir / name).write_bytes(content)
    shutil.rmtree(run_dir / "model")
    assert list(damages(study_dir, None)) == [], "retention deletes models"


@pytest.mark.parametrize("name", ["curves.jsonl", "*/*.parquet"])
def test_a_run_whose_files_are_not_whole_is_no_answer_to_its_spec(study_dir, name):
    record = the_record(study_dir)
    folder = study_dir.run_dir(record.digest)
    assert is_reusable(record, record.spec, folder)
    flip_one_bit(next(folder.glob(name)))
    assert not is_reusable(record, record.spec, folder)
    repair(study_dir, lambda line: None)
    assert not is_reusable(record, record.spec, folder)


def test_predictions_of_an_older_version_are_read_because_they_have_no_checksum(study_dir):
    record = the_record(study_dir)
    write_record(study_dir.run_dir(record.digest) / "record.json", record.model_copy(update={"files": {}}))
    assert list(find_damage(study_dir)) == []
    take_another(next(study_dir.path.glob("runs/*/*/*.parquet")))
    (damage,) = find_damage(study_dir)
    assert "holds no predictions" in damage.problem


def test_setting_aside_replaces_what_was_set_aside_before(tmp_path):
    for content in ("first", "second"):
        (tmp_path / "a.json").write_text(content)
        assert set_aside(tmp_path / "a.json").read_text() == content
        (tmp_path / "step-1").mkdir()
        (tmp_path / "step-1" / content).touch()
        assert [path.name for path in set_aside(tmp_path / "step-1").iterdir()] == [content]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_data_are_tokenised_again_to_the_same_bytes(tmp_path, damage):
    study, card = tiny_study(tmp_path)
    folder = Path(card.directory)
    before = {path.name: path.read_bytes() for path in folder.glob("*.arrow")}
    damage(folder / "train.arrow")
    messages: list[str] = []
    assert prepare_data(study, home_dir=tmp_path / "home", tell=messages.append) == card
    (line,) = messages
    assert line.startswith(f"data/{card.fingerprint}/train.arrow: its content does not match its checksum")
    assert (folder / "train.arrow.damaged").exists()
    assert {path.name: path.read_bytes() for path in folder.glob("*.arrow")} == before
    prepare_data(study, home_dir=tmp_path / "home", tell=pytest.fail)


# The search's journal


def half_done(directory: Path) -> Path:
    """A journal with a finished batch of four and a batch of four that runs."""
    search = make_search(directory)
    batch = search.next_batch()
    for number, outcome in train_batch(search, batch).items():
        search.tell(number, outcome)
    search.next_batch()
    return search.journal_path


def change_a_number(path: Path) -> None:
    content = path.read_bytes()
    assert b'"learning_rate":0.000' in content
    path.write_bytes(content.replace(b'"learning_rate":0.000', b'"learning_rate":0.001', 1))


def put_garbage_in_the_middle(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"\x00\xff garbage\n", *lines[2:]]))


@pytest.mark.parametrize("damage", [cut, take_another, change_a_number, put_garbage_in_the_middle])
def test_a_damaged_journal_is_named_and_told_again_with_the_same_trials(tmp_path, damage):
    whole = rows(finish(make_search(tmp_path / "whole")))
    path = half_done(tmp_path / "search")
    assert problem_of(path) is None
    damage(path)
    messages: list[str] = []
    search = make_search(tmp_path / "search", tell=messages.append)
    (line,) = messages
    assert "journal.log: " in line
    assert "none of which is trained twice" in line
    assert path.with_name("journal.log.damaged").exists()
    assert rows(finish(search)) == whole


def test_a_line_that_a_kill_has_torn_is_no_damage(tmp_path):
    path = half_done(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"work')
    assert problem_of(path) is None
    make_search(tmp_path, tell=pytest.fail)


def test_trials_of_a_dead_process_wait_and_are_taken_up_again_once(tmp_path):
    whole = rows(finish(make_search(tmp_path / "whole")))
    path = half_done(tmp_path / "search")
    name = make_search(tmp_path / "search").journal.name
    assert states_of(path, name)["running"] == 4
    assert may_have_running(path)
    assert let_wait(path, name) == 4
    assert let_wait(path, name) == 0
    assert (states_of(path, name)["running"], states_of(path, name)["waiting"]) == (0, 4)
    assert not may_have_running(path)
    search = make_search(tmp_path / "search", tell=pytest.fail)
    assert isinstance(search.journal, TrialJournal)
    assert may_have_running(path), "those that waited run again"
    assert rows(finish(search)) == whole
    assert not may_have_running(path)
    assert states_of(path, "another search") == {}


def test_a_journal_is_read_without_optuna_as_optuna_reads_it_at_every_line(tmp_path):
    search = make_search(tmp_path / "search")
    finish(search)
    path, part, name = tmp_path / "search" / "journal.log", tmp_path / "journal.log", search.journal.name
    lines, found = path.read_bytes().splitlines(keepends=True), []
    for n in range(1, len(lines) + 1):
        part.write_bytes(b"".join(lines[:n]))
        found.append(states_of(part, name)["running"] > 0)
        assert may_have_running(part) is found[-1]
    assert len(set(found)) == 2


@pytest.mark.parametrize("line", [b"", b"no entry\n", b'{"op_code": 1, "study_id": 0}\n', b'{"op_code": 99}\n'])
def test_optuna_is_asked_about_a_journal_that_is_not_as_it_is_written(tmp_path, line):
    finish(make_search(tmp_path))
    path = tmp_path / "journal.log"
    path.write_bytes(path.read_bytes() + line if line else b"")
    assert may_have_running(path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_status_names_what_lies_beside_data_and_journal_too(study_dir, damage):
    card = make_card(study_dir.home_dir).model_copy(update={"directory": str(study_dir.home_dir / "data" / "f")})
    paths = [Path(card.directory) / "card.json", study_dir.path / "sweep" / "full-1" / "journal.seal.json"]
    write_record(paths[0], card)
    half_done(paths[1].parent)
    assert list(damages(study_dir, card)) == []
    for path in paths:
        damage(path)
    found = list(damages(study_dir, card))
    assert [each.path for each in found] == paths
    assert {each.done for each in found} == {"the next bertft run writes it again"}


def test_no_trial_waits_in_a_journal_that_a_kill_left_empty(tmp_path):
    path = tmp_path / "journal.log"
    path.touch()
    assert let_wait(path, "search") == 0


@pytest.mark.parametrize(("entry", "is_named"), [(b'{"mine": 1}', True), (b'{"op_code": 0}', False), (b'{"op_code": 4}', False)])
def test_a_line_that_optuna_cannot_use_ends_no_command_that_looks_at_the_trials(tmp_path, entry, is_named):
    path = half_done(tmp_path)
    seal_path(path).unlink()
    path.write_bytes(path.read_bytes() + entry + b"\n")
    assert (problem_of(path) is not None) is is_named
    assert let_wait(path, "search") == 0
    assert states_of(path, "search") == {}
    messages: list[str] = []
    make_search(tmp_path, tell=messages.append)
    assert len(messages) == 1


# Commands that only read


@pytest.mark.parametrize("change", DAMAGES)
@pytest.mark.parametrize("name", ["card.json", "sweep/*/result.json", "runs/*/record.json"])
def test_a_study_with_a_damaged_record_gives_no_answer(study_dir, name, change):
    write_record(study_dir.sweep_dir("full", "0123abcd") / "result.json", make_sweep(study_dir))
    refuse_damage(study_dir)
    (path,) = study_dir.path.glob(name)
    change(path)
    with pytest.raises(UserError, match="a file is damaged") as caught:
        refuse_damage(study_dir)
    assert (caught.value.code, caught.value.path) == ("study.damaged", str(path))
    assert caught.value.hint


@pytest.mark.parametrize("content", [b"", b"<html>", b"other weights", None])
def test_a_model_that_is_not_the_one_that_the_run_saved_predicts_nothing(study_dir, content):
    (record,) = study_dir.records()
    run_dir = study_dir.run_dir(record.digest)
    weights = run_dir / "model" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"the weights")
    record = record.model_copy(update={"files": record.files | {"model/model.safetensors": file_sha256(weights)}})
    refuse_damaged_model(record, run_dir)
    weights.unlink() if content is None else weights.write_bytes(content)
    with pytest.raises(UserError, match="is damaged") as caught:
        refuse_damaged_model(record, run_dir)
    assert (caught.value.code, caught.value.path) == ("model.damaged", str(weights))
