"""A home or a name that cannot be one is refused before anything is read or started."""

from __future__ import annotations

import os

import pytest

from bertft_core.config import UserError
from bertft_core.records import RunRecord
from bertft_core.storage.curve_lines import curve_events
from bertft_core.storage.home_folder import home_dir, made_home
from bertft_core.storage.study_dir import Damaged, checked_record, read_record
from bertft_core.sweep.journal_file import problem_of, repair_file
from flows.cli.find_study import find_study
from flows.study_command import read_command
from tasks.process_environment import check_current_folder


def refusal_of(call) -> UserError:
    with pytest.raises(UserError) as caught:
        call()
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("name", "code"),
    [("a?b", "home.odd-character"), ("a%20b", "home.odd-character"), ("a::b", "home.odd-character"),
     ("a\nb", "home.odd-character"), ("x" * 300, "path.unusable"), ("\udcff", "path.unusable"), ("a\0b", "path.unusable")],
)  # fmt: skip
def test_a_path_that_cannot_be_a_home_is_refused(tmp_path, name, code):
    assert refusal_of(lambda: home_dir(tmp_path / name)).code == code


@pytest.mark.parametrize("name", ["a b", "a'b", 'a"b', "a#b", "a:b", "ü😀", "-x", "$HOME", "[x]", "a\\b"])
def test_every_other_character_is_allowed(tmp_path, name):
    assert made_home(home_dir(tmp_path / name)).is_dir()


def test_a_file_a_link_to_itself_and_a_place_below_a_file_are_no_home(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert refusal_of(lambda: home_dir(tmp_path / "file")).code == "home.not-a-folder"
    assert refusal_of(lambda: home_dir(tmp_path / "file" / "a" / "home")).code == "home.not-a-folder"
    assert refusal_of(lambda: home_dir("/dev/null/home")).code == "home.not-a-folder"
    assert refusal_of(lambda: home_dir(tmp_path / "loop")).code == "home.cannot-be-used"
    assert refusal_of(lambda: made_home(tmp_path / "file" / "home")).code == "home.cannot-be-created"


def test_a_run_checks_its_home_before_it_starts_anything(tmp_path):
    (tmp_path / "file").write_text("")
    error = refusal_of(lambda: read_command("debug/reviews", [], tmp_path / "file" / "home", force=False))
    assert error.code == "home.not-a-folder"


def test_a_home_named_by_the_environment_is_named_so(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BERTFT_HOME", str(tmp_path / "file"))
    assert refusal_of(home_dir).problem == "the home that BERTFT_HOME names cannot be used"


@pytest.mark.parametrize("depth", [0, 30])
def test_a_current_folder_that_is_gone_or_too_deep_is_refused(tmp_path, monkeypatch, depth):
    check_current_folder()
    monkeypatch.chdir(tmp_path)
    for _ in range(depth or 1):
        os.mkdir("x" * 200)  # noqa: PTH102
        os.chdir("x" * 200)
    if not depth:
        (tmp_path / ("x" * 200)).rmdir()
    assert refusal_of(check_current_folder).code == "path.current-folder"


@pytest.mark.parametrize("name", ["../studies/quickstart", "/etc", "..", "", "a\nb", "a/b", "quickstart\n", "*"])
def test_what_is_no_name_of_a_study_is_refused(tmp_path, name):
    assert refusal_of(lambda: find_study(name, tmp_path)).code == "study.not-a-name"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_record_that_is_no_file_is_damaged_and_read_at_once(tmp_path, make):
    for name in ("record.json", "curves.jsonl", "journal.log"):
        make(tmp_path / name)
    with pytest.raises(Damaged, match="not a file"):
        checked_record(tmp_path / "record.json", RunRecord)
    assert read_record(tmp_path / "record.json", RunRecord) is None
    assert curve_events(tmp_path / "curves.jsonl") == []
    repair_file(tmp_path / "journal.log")
    assert problem_of(tmp_path / "journal.log") is not None


def test_a_record_nested_without_end_is_damaged(tmp_path):
    (tmp_path / "record.json").write_text("[" * 100_000)
    with pytest.raises(Damaged):
        checked_record(tmp_path / "record.json", RunRecord)


def test_curves_that_are_no_utf8_keep_their_whole_lines(tmp_path):
    (tmp_path / "curves.jsonl").write_bytes(b'{"step": 1}\n{"x": "\xff"}\n[1]\n{"step": 2}\n{"st')
    assert curve_events(tmp_path / "curves.jsonl") == [{"step": 1}, {"step": 2}]
