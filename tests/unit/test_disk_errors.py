"""An error that a full or closed disk has caused is reported as that, whatever library ran into it; others stay what they are."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.storage.disk_errors import disk_error, disk_errors_explained, disk_user_error
from bertft_core.storage.study_dir import write_atomically
from bertft_core.training import run, worker
from flows.cli.app import _guarded
from tests.helpers.small_records import make_card, make_spec, make_study


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/somewhere/state.safetensors")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space is left on the disk"),
        (errno.EDQUOT, "the quota of this user is used up"),
        (errno.EROFS, "the disk can only be read"),
        (errno.EACCES, "this user may not read or write there"),
        (errno.EFBIG, "the file would be larger than this user may write"),
    ],
)
def test_an_error_that_names_its_reason(tmp_path, number, words):
    shown = disk_error(OSError(number, "x", "/a/file"), tmp_path)
    assert shown is not None
    assert f"/a/file: {words}" in str(shown)
    assert "the same command goes on from there" in str(shown)
    assert ("bertft clean" in str(shown)) is (number in (errno.ENOSPC, errno.EDQUOT)), "what can go helps where space is missing"


def test_a_library_that_hides_the_reason_is_seen_through_by_a_probe(tmp_path, monkeypatch):
    error = RuntimeError("SafetensorError: I/O error")
    assert disk_error(error, tmp_path / "not" / "there") is None
    assert list(tmp_path.iterdir()) == [], "the probe leaves nothing"
    monkeypatch.setattr(os, "fsync", full)
    shown = disk_error(error, tmp_path)
    assert shown is not None
    assert "no space is left on the disk" in str(shown)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path):
    assert disk_user_error(FileNotFoundError(errno.ENOENT, "x")) is None
    assert disk_user_error(ValueError("x")) is None
    with pytest.raises(ZeroDivisionError), disk_errors_explained(tmp_path):
        raise ZeroDivisionError
    mistake = UserError("a mistake")
    with pytest.raises(UserError) as raised, disk_errors_explained(tmp_path):
        raise mistake
    assert raised.value is mistake


def test_a_worker_tells_it_as_the_users_to_mend_and_not_as_a_failed_run(tmp_path, monkeypatch):
    spec = make_spec(make_study(), make_card(tmp_path))
    (tmp_path / "spec.json").write_text(json.dumps(spec.model_dump(mode="json")))
    monkeypatch.setattr(run, "train_run", full)
    monkeypatch.setattr(Path, "open", full)  # nor can it write its log
    answers: list[dict] = []
    monkeypatch.setattr("bertft_core.storage.study_dir.checked_record", lambda *_: spec)
    worker._serve({"do": "train", "spec": str(tmp_path / "spec.json"), "run_dir": str(tmp_path)}, answers.append)
    (answer,) = answers
    assert (answer["kind"], answer["user"]["code"]) == ("error", "disk.full-or-closed")
    assert answer["user"]["problem"] == "no space is left on the disk"


def test_any_command_ends_with_one_message_and_code_2(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "fsync", full)
    assert _guarded(lambda: write_atomically(tmp_path / "a.json", "{}")) == 2
    text = capsys.readouterr().err
    assert text.startswith("error: /somewhere/state.safetensors: no space is left on the disk")
    with pytest.raises(ZeroDivisionError):
        _guarded(lambda: 1 / 0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "a folder is in the place of a file"),
        (lambda path: path.parent.rmdir() or path.parent.write_text(""), "a file is in the place of a folder"),
        (lambda path: path.parent.rmdir() or path.parent.symlink_to(path.parent), "a file is in the place of a folder"),
    ],
)
def test_what_is_in_the_place_of_a_file_is_named(tmp_path, make, words):
    path = tmp_path / "study" / "report.html"
    path.parent.mkdir()
    make(path)
    with pytest.raises(OSError) as caught:
        write_atomically(path, "page")
    shown = disk_user_error(caught.value)
    assert shown is not None
    assert (shown.code, shown.problem, bool(shown.hint)) == ("disk.other-kind", words, True)
    assert Path(str(shown.path)).is_relative_to(tmp_path)


def test_a_limit_on_the_size_of_files_is_named():
    shown = disk_user_error(OSError(errno.EFBIG, "File too large", "/a/file"))
    assert shown is not None
    assert "ulimit -f" in str(shown)
    assert "raise the limit" in str(shown.hint)


@pytest.mark.parametrize(("limit", "is_too_small"), [(400 * 1024, True), (10 * 1024**2, False)])
def test_a_limit_under_what_a_database_takes_is_seen_through_by_a_probe(tmp_path, limit, is_too_small):
    (tmp_path / "prefect.db").write_bytes(b"x" * 300 * 1024)
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom bertft_core.storage.disk_errors import disk_error\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "print(disk_error(RuntimeError('disk I/O error'), Path(sys.argv[1])))"
    )
    shown = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True).stdout
    assert ("(ulimit -f)" in shown) == is_too_small
    assert [path.name for path in tmp_path.iterdir()] == ["prefect.db"]
