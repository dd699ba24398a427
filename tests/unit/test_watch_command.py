"""`bertft watch`: a change of a study's files is announced once, when they are written, also after a restart."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bertft_core.config import StudyConfig, UserError, load_study
from bertft_core.storage.study_dir import checked_record
from flows.cli import announce_command, watch_command
from flows.cli.watch_command import STATE, Watched, data_files
from flows.cli.watch_command import watch_command as watch

OLD = 1_000_000_000


@pytest.fixture
def announced(monkeypatch) -> list[tuple[str, Path | None, str | None]]:
    found: list[Any] = []
    monkeypatch.setattr(
        watch_command, "announce", lambda study, home, *, files_sha256: found.append((study.name, home, files_sha256))
    )
    return found


def write(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, (OLD, OLD))


@pytest.fixture
def config(tmp_path) -> Path:
    for name in ("train", "extra", "odd"):
        write(tmp_path / f"{name}.csv", "text,label\na,x\nb,y\n")
    data = {"source": "files", "train": "train.csv", "out_of_domain": {"odd": "odd.csv"}}
    arms = {"full": {}, "more": {"data": {"extra_train": ["extra.csv"]}}}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", "data": data, "encoder": {}, "arms": arms}))
    return path


def look(config: Path, home: Path | None) -> None:
    assert watch([config], [], home, every=60.0, once=True) == 0


def test_what_is_seen_first_is_remembered_and_each_change_is_announced_once(config, tmp_path, announced):
    home = tmp_path / "home"
    look(config, home)
    look(config, home)
    assert announced == []
    for name in ("train", "odd", "extra"):
        write(config.with_name(f"{name}.csv"), f"text,label\n{name},x\nb,y\n")
        look(config, home)
        look(config, home)
    assert [(study, where) for study, where, _ in announced] == [("mine", home)] * 3
    assert len({sha256 for _, _, sha256 in announced}) == 3


def test_where_a_study_runs_is_left_to_the_worker_unless_a_home_is_named(config, tmp_path, announced, monkeypatch):
    monkeypatch.setenv("BERTFT_HOME", str(tmp_path / "mine"))
    for home in (None, tmp_path / "named"):
        write(config.with_name("train.csv"), "text,label\na,x\nb,y\n")
        look(config, home)
        write(config.with_name("train.csv"), "text,label\nc,x\nb,y\n")
        look(config, home)
    assert [where for _, where, _ in announced] == [None, tmp_path / "named"]


def test_every_file_of_every_arm_is_watched(config):
    assert [path.name for path in data_files(load_study(config))] == ["train.csv", "odd.csv", "extra.csv"]


def test_a_file_that_is_being_written_or_is_missing_waits_for_the_next_look(config, tmp_path, announced, monkeypatch):
    home, train = tmp_path / "home", config.with_name("train.csv")
    look(config, home)
    train.write_text("text,label\nhalf")

    def writes_on(seconds: float) -> None:
        train.write_text("text,label\nwhole,x\n")
        os.utime(train, (OLD, OLD))

    monkeypatch.setattr(time, "sleep", writes_on)
    look(config, home)
    assert announced == []
    look(config, home)
    assert len(announced) == 1
    train.unlink()
    look(config, home)
    assert len(announced) == 1


def test_an_event_that_no_server_took_is_emitted_at_the_next_look(config, tmp_path, announced, monkeypatch):
    home = tmp_path / "home"
    look(config, home)
    write(config.with_name("train.csv"), "text,label\nc,x\n")

    def no_server(study: StudyConfig, home: Path | None, *, files_sha256: str | None) -> None:
        raise announce_command._no_answer("http://127.0.0.1:9/api", OSError("refused"))

    with monkeypatch.context() as patch:
        patch.setattr(watch_command, "announce", no_server)
        with pytest.raises(UserError):
            look(config, home)
    look(config, home)
    assert len(announced) == 1


def watched(monkeypatch, config: Path, home: Path, *between: Callable[[], object]) -> None:
    """Watch for some looks, with something done before each but the first; then Ctrl-C."""
    todo = iter(between)

    def sleep(seconds: float) -> None:
        if seconds == 60.0:
            next(todo, interrupt)()

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    with pytest.raises(KeyboardInterrupt):
        watch([config], [], home, every=60.0, once=False)


def test_a_config_that_is_half_saved_is_reported_once_and_watched_on(config, tmp_path, announced, monkeypatch, capsys):
    whole, train = config.read_text(), config.with_name("train.csv")
    watched(
        monkeypatch,
        config,
        tmp_path / "home",
        lambda: config.write_text("name: [mine"),
        lambda: None,
        lambda: (config.write_text(whole), write(train, "text,label\nc,x\nb,y\n")),
        lambda: None,
    )
    assert len(announced) == 1
    assert capsys.readouterr().err.count("warning") == 1


def test_a_file_that_is_deleted_while_it_is_looked_at_is_waited_for(config, tmp_path, announced, monkeypatch):
    home, train = tmp_path / "home", config.with_name("train.csv")
    look(config, home)
    read = watch_command.files_sha256

    def then_deleted(files: list[Path]) -> str | None:
        found = read(files)
        train.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(watch_command, "files_sha256", then_deleted)
    look(config, home)
    assert announced == []


def test_a_study_without_files_is_refused(tmp_path, announced):
    with pytest.raises(UserError) as refused:
        watch([Path("topics")], [], tmp_path, every=60.0, once=True)
    assert refused.value.code == "watch.no-files"


def test_a_damaged_memory_begins_anew(config, tmp_path, announced):
    home = tmp_path / "home"
    home.mkdir()
    (home / STATE).write_text("{")
    look(config, home)
    assert checked_record(home / STATE, Watched).files_sha256.keys() == {"mine"}


def test_the_event_carries_the_whole_study_and_no_password(config, monkeypatch, capsys):
    sent: list[Any] = []

    async def kept(api_url: str, study: StudyConfig, payload: dict[str, Any]) -> bool:
        sent.append(payload)
        return True

    monkeypatch.setattr(announce_command, "_announce", kept)
    monkeypatch.setattr(announce_command, "_api_url", lambda: "http://127.0.0.1:4200/api")
    uri = "http://me:secret@lab:5000"
    announce_command.announce_command(config, ["seeds.n=3", f"tracking.uri={uri}"], None)
    (payload,) = sent
    assert payload["study"] == "mine"
    assert payload["config"]["seeds"]["n"] == 3
    assert payload["config"]["data"]["train"] == str(config.with_name("train.csv"))
    assert "home" not in payload
    assert "secret" not in str(payload) + capsys.readouterr().out
