"""No command answers from a study with damaged files: each names all of them, ends with code 2 and changes nothing on disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows.cli import replay_command
from flows.cli.app import main
from flows.cli.find_study import find_study
from tests.helpers.stored_studies import unpack

RECORDS_ONLY = ("show claims", "predict claims --input x.jsonl", "clean claims", "clean --yes", "repair claims", "repair")
WITH_FILES = (
    *("report claims", "diagnose claims", "diagnose claims --json", "seeds claims", "compare claims many"),
    *("diff claims/full/0 claims/full/1", "diff {digest} {digest}", "verify claims", "verify claims --certify", "replay x"),
)
BOOKKEEPING = ("lock", "lock.json")


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    return unpack(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def home(archive, tmp_path, monkeypatch) -> Path:
    shutil.copytree(archive, tmp_path / "home", copy_function=os.link)  # what is changed is written anew, never in place
    (tmp_path / "x.jsonl").write_text('{"text": "a film"}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def spoil(*paths: Path) -> list[Path]:
    for path in paths:
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[:-20])
    return list(paths)


def refused(capsys, home: Path, words: str) -> str:
    """What a command says on stderr when it refuses with code 2, and has changed nothing."""
    before = contents(home)
    with pytest.raises(SystemExit) as ended:
        main([*words.split(), "--home", str(home)])
    assert ended.value.code == 2
    assert contents(home) == before
    text = capsys.readouterr().err
    assert "hint:     run the study again with: bertft run CONFIG, which sets the file" in text
    return text


def contents(home: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and path.name not in BOOKKEEPING}


def records_of(home: Path) -> list[Path]:
    study = home / "studies" / "claims"
    return [study / "card.json", *sorted(study.glob("runs/*/record.json"))[1:3]]


@pytest.mark.parametrize("words", [*RECORDS_ONLY, *WITH_FILES])
def test_every_damaged_record_is_named(home, capsys, monkeypatch, words):
    study = find_study("claims", home).study
    monkeypatch.setattr(replay_command, "fetch_run", lambda *_, **__: SimpleNamespace(study=study))
    damaged = spoil(*records_of(home))
    text = refused(capsys, home, words.format(digest=damaged[-1].parent.name))
    for path in damaged:
        assert f"{path.relative_to(home)}: " in text


@pytest.mark.parametrize("words", WITH_FILES)
def test_damaged_predictions_are_no_reason_to_answer_from_something_else(home, capsys, monkeypatch, words):
    study = find_study("claims", home).study
    monkeypatch.setattr(replay_command, "fetch_run", lambda *_, **__: SimpleNamespace(study=study))
    (path,) = spoil(next((home / "studies" / "claims").glob("runs/*/predictions/**/*.parquet")))
    text = refused(capsys, home, words.format(digest=path.relative_to(home).parts[3]))
    assert str(path) in text


@pytest.mark.parametrize(
    "words", ["status claims", *RECORDS_ONLY, *(words for words in WITH_FILES if not words.startswith("replay"))]
)
def test_a_damaged_config_is_named_with_the_rest(home, capsys, words):
    damaged = spoil(home / "studies" / "claims" / "config.json", *records_of(home))
    text = refused(capsys, home, words.format(digest=damaged[-1].parent.name))
    for path in damaged:
        assert f"{path.relative_to(home)}: " in text
