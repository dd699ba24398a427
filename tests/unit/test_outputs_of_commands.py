"""Every option of every command that names an output: what is there already is replaced only where the command says so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.storage.study_dir import write_record
from flows.cli import compare_command, predict_command, recommend_command
from flows.cli.app import app
from tests.helpers.comparison_records import make_comparison
from tests.helpers.stored_studies import unpack

FILES = {
    "predict": "predict claims --input input.csv --home home --output {}",
    "recommend": "recommend input.csv --home home --force --output {}",
}
"""Commands whose output is one file."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    return unpack(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def folder(archive, tmp_path, monkeypatch) -> Path:
    (tmp_path / "home").symlink_to(archive)
    (tmp_path / "input.csv").write_text("text,label\n" + "a film,good\na bore,bad\n" * 20)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Checked(Exception):
    """The command has accepted its output and would go on."""


def go_on(*_: object, **__: object) -> None:
    raise Checked


def run(words: str) -> None:
    app(words.split(), standalone_mode=False)


@pytest.fixture(autouse=True)
def _only_checks(monkeypatch):
    monkeypatch.setattr(predict_command, "_read", go_on)
    monkeypatch.setattr(recommend_command, "data_profile_of", go_on)
    monkeypatch.setattr(compare_command, "_results", go_on)


def link(make: Callable[[Path, Path], None]) -> Callable[[Path], None]:
    return lambda path: make(path.parent / "input.csv", path)


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "output.is-a-folder"),
    "the input by a symlink": (link(lambda source, path: path.symlink_to(source)), "output.is-read"),
    "the input by a hard link": (link(lambda source, path: path.hardlink_to(source)), "output.is-read"),
    "a link to itself": (lambda path: path.symlink_to(path), "output.cannot-be-written"),
}
ALLOWED: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_text("mine"),
    "a pipe": os.mkfifo,
    "a link to a file": lambda path: (path.with_name("target").write_text("mine"), path.symlink_to(path.with_name("target"))),
    "a link to a device": lambda path: path.symlink_to("/dev/null"),
    "nothing": lambda path: None,
}


@pytest.mark.parametrize("command", FILES)
@pytest.mark.parametrize("there", REFUSED)
def test_what_would_be_destroyed_is_refused(folder, command, there):
    make, code = REFUSED[there]
    make(folder / "out.yaml")
    before = (folder / "input.csv").read_bytes()
    with pytest.raises(UserError) as caught:
        run(FILES[command].format("out.yaml"))
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)
    assert (folder / "input.csv").read_bytes() == before


@pytest.mark.parametrize("command", FILES)
def test_the_input_itself_is_refused(folder, command):
    with pytest.raises(UserError) as caught:
        run(FILES[command].format("./input.csv"))
    assert caught.value.code == "output.is-read"


@pytest.mark.parametrize("command", FILES)
@pytest.mark.parametrize("there", ALLOWED)
def test_everything_else_is_accepted_and_untouched_until_it_is_written(folder, command, there):
    path = folder / "out.yaml"
    ALLOWED[there](path)
    kind = path.lstat().st_mode if os.path.lexists(path) else None
    with pytest.raises(Checked):
        run(FILES[command].format("out.yaml"))
    assert (path.lstat().st_mode if os.path.lexists(path) else None) == kind


# The folder of a comparison

COMPARE = "compare claims many --home home --output out"


@pytest.mark.parametrize("name", ["comparison.json", "comparison.html", "tables", "figures"])
@pytest.mark.parametrize("make", [lambda path: path.write_text("mine"), os.mkfifo, lambda path: path.symlink_to("..")])
def test_a_comparison_goes_into_no_folder_with_such_files_of_the_user(folder, name, make):
    (folder / "out").mkdir()
    make(folder / "out" / name)
    with pytest.raises(UserError) as caught:
        run(COMPARE)
    assert (caught.value.code, caught.value.found) == ("output.not-ours", name)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.write_text("mine"), lambda path: path.symlink_to("/dev/null")])
def test_a_comparison_replaces_no_file(folder, make):
    make(folder / "out")
    with pytest.raises(UserError) as caught:
        run(COMPARE)
    assert caught.value.code == "output.cannot-be-written"


def test_a_comparison_goes_beside_other_files_and_in_place_of_an_earlier_one(folder):
    (folder / "out").mkdir()
    (folder / "out" / "notes.txt").write_text("mine")
    with pytest.raises(Checked):
        run(COMPARE)
    write_record(folder / "out" / "comparison.json", make_comparison())
    (folder / "out" / "tables").mkdir()
    with pytest.raises(Checked):
        run(COMPARE)
