"""What is on disk is whole or not there."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from bertft_core.records import RunRecord
from bertft_core.storage import study_dir as study_dir_module
from bertft_core.storage.damage import find_damage
from bertft_core.storage.study_dir import Damaged, StudyDir, checked_record, read_record, write_atomically, write_record
from tests.helpers.small_records import make_card, make_record, make_spec, make_study


@pytest.fixture
def study_dir(tmp_path) -> StudyDir:
    return StudyDir(tmp_path, "small")


@pytest.fixture
def record(tmp_path, study_dir) -> RunRecord:
    card = make_card(tmp_path)
    return make_record(make_spec(make_study(), card), card, study_dir)


def test_texts_and_bytes_are_written_into_folders_that_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "c.txt"
    write_atomically(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    write_atomically(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_is_cut_short_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "record.json"
    write_atomically(path, "old")

    def no_disk(_descriptor: int) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(os, "fsync", no_disk)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"


def test_the_content_is_on_disk_before_the_name_points_to_it(tmp_path, monkeypatch):
    path, synced = tmp_path / "record.json", []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.exists()))
    write_atomically(path, "new")
    assert synced == [False]


def test_a_record_is_read_back_as_it_was(study_dir, record):
    assert study_dir.record(record.digest) == record
    assert list(study_dir.records()) == [record]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_torn_record_counts_as_none(study_dir, record, share):
    path = study_dir.run_dir(record.digest) / "record.json"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert study_dir.record(record.digest) is None
    assert list(study_dir.records()) == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{}", b"null", b"[1]", b'{"version": 2}'])
def test_a_file_that_is_no_record_counts_as_none(tmp_path, content):
    path = tmp_path / "record.json"
    path.write_bytes(content)
    assert read_record(path, RunRecord) is None


def test_a_record_that_is_not_there_is_none(study_dir):
    assert study_dir.record("0" * 64) is None
    assert list(study_dir.records()) == []


def test_a_record_in_the_folder_of_another_run_is_not_taken_for_it(study_dir, record):
    other = record.digest[:16] + "0" * 48  # the folder's name is the same
    assert study_dir.record(other) is None


def test_runs_of_two_studies_do_not_meet(tmp_path, record):
    assert StudyDir(tmp_path, "other").record(record.digest) is None


def test_a_record_is_readable_text_that_ends_with_a_line(tmp_path, record):
    write_record(tmp_path / "r.json", record)
    text = (tmp_path / "r.json").read_text()
    assert text.startswith('{\n "sha256": "')
    assert text.splitlines()[2] == ' "version": 2,'
    assert text.endswith("}\n")
    rest = text.split(",", 1)[1].removesuffix("\n")
    assert json.loads(text)["sha256"] == hashlib.sha256(rest.encode()).hexdigest()


def test_any_flipped_bit_of_a_record_is_found(tmp_path, record):
    path = tmp_path / "r.json"
    write_record(path, record)
    whole = path.read_bytes()
    assert checked_record(path, RunRecord) == record
    for place in range(0, len(whole) - 1, 37):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        assert read_record(path, RunRecord) is None, place
        with pytest.raises(Damaged, match=r"r\.json"):
            checked_record(path, RunRecord)


def test_a_record_without_a_checksum_is_of_an_older_version_and_read(tmp_path, record):
    (tmp_path / "r.json").write_text(record.model_dump_json(indent=1) + "\n")
    assert read_record(tmp_path / "r.json", RunRecord) == record


@pytest.mark.parametrize(
    ("status", "finished"), [("ok", True), ("collapsed", True), ("diverged", True), ("failed", False), ("pruned", False)]
)
def test_only_a_run_that_ended_by_itself_is_finished(record, status, finished):
    assert record.model_copy(update={"status": status}).finished is finished


def test_the_record_of_a_run_is_parsed_once_until_its_file_changes(study_dir, record, monkeypatch):
    parsed, parse = [], study_dir_module.checked_record
    monkeypatch.setattr(study_dir_module, "checked_record", lambda path, kind: parsed.append(path) or parse(path, kind))
    path = study_dir.run_dir(record.digest) / "record.json"
    os.utime(path, (1, 1))
    assert list(find_damage(study_dir)) == []
    assert [*study_dir.records(), study_dir.record(record.digest)] == [record, record]
    assert parsed == [path]
    write_record(path, record.model_copy(update={"train_seconds": 99.0}))
    assert study_dir.record(record.digest).train_seconds == 99.0
    path.write_bytes(path.read_bytes()[:-10])
    assert [damage.path for damage in find_damage(study_dir)] == [path]
    assert study_dir.record(record.digest) is None
