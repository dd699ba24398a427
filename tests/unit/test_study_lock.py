"""A study's lock: one command holds it, and those that only ask whether one does are in nobody's way."""

from __future__ import annotations

import fcntl

import pytest
from filelock import FileLock

from bertft_core.config import UserError
from bertft_core.storage.study_dir import StudyDir
from tasks.process_identity import this_process
from tasks.study_lock import held, is_held


def test_a_command_that_starts_while_another_one_asks_for_the_lock_gets_it(tmp_path, monkeypatch):
    study_dir = StudyDir(tmp_path, "small")
    study_dir.path.mkdir(parents=True)
    asking = (study_dir.path / "lock").open("w+b")
    fcntl.flock(asking, fcntl.LOCK_SH)
    monkeypatch.setattr("time.sleep", lambda seconds: asking.close())
    with held(study_dir):
        assert asking.closed
        assert is_held(study_dir)
    assert not is_held(study_dir)


def test_two_that_ask_do_not_take_each_other_for_a_command(tmp_path):
    study_dir = StudyDir(tmp_path, "small")
    study_dir.path.mkdir(parents=True)
    with (study_dir.path / "lock").open("w+b") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not is_held(study_dir)


def test_a_second_command_is_refused_after_a_moment(tmp_path):
    study_dir = StudyDir(tmp_path, "small")
    study_dir.path.mkdir(parents=True)
    with FileLock(study_dir.path / "lock"), pytest.raises(UserError, match="another command is running"), held(study_dir):
        pass


def test_asking_makes_no_folder(tmp_path):
    assert not is_held(StudyDir(tmp_path, "none"))
    assert list(tmp_path.iterdir()) == []


def test_who_holds_a_study_is_named_by_the_command_that_was_typed(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/work/flows/cli/app.py", "run", "tickets.yaml"])
    assert this_process().command == "bertft run tickets.yaml"
