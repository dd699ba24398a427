"""A disk that fills up while a study runs, or that can only be read: one message, code 2, and nothing finished is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.study_commands import LONG, TinyStudy

ONE_SLOT = {"device": "cpu", "slots": 1, "checkpoint_every_seconds": 0.1}


def mount(*words: str) -> bool:
    return shutil.which("mount") is not None and subprocess.run(["mount", *words], capture_output=True).returncode == 0


@pytest.fixture
def on_small_disk(new_study) -> Iterator[TinyStudy]:
    """A study whose home is a disk of its own, of 32 MB."""
    study = new_study(**LONG, execution=ONE_SLOT, retention={"checkpoints": "all"})
    content = study.home.with_name("content")
    study.home.rename(content)
    study.home.mkdir()
    if os.getuid() != 0 or not mount("-t", "tmpfs", "-o", "size=32m", "tmpfs", str(study.home)):
        pytest.skip("only root can mount a small disk; tests/unit/test_disk_errors.py does without")
    try:
        shutil.copytree(content, study.home, dirs_exist_ok=True)
        yield study
    finally:
        subprocess.run(["umount", "-l", str(study.home)], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


@pytest.mark.slow  # what it costs is a disk and three commands; tests/unit/test_disk_errors.py has the errors without
def test_a_full_disk_stops_the_study_with_one_message_and_the_same_command_goes_on(on_small_disk):
    study = on_small_disk
    started = study.start()
    started.until(lambda: study.records and study.checkpoints(), "the second run had a checkpoint")
    finished = dict(study.records)
    fill(study.home / "filler")
    assert started.wait() == 2, started.stderr
    assert started.stderr.count("error: ") == 1
    assert "no space is left on the disk" in started.stderr
    what_to_do = (
        "free some space (bertft clean lists what can go); what is finished is kept, and the same command goes on from there"
    )
    assert what_to_do in started.stderr
    assert "Traceback" not in started.stderr
    (study.home / "filler").unlink()
    assert study.records == finished
    assert mount("-o", "remount,ro", str(study.home))
    ended = study.run(expect=2)
    assert "the disk can only be read" in ended.stderr
    assert "1 done" in study.command("status", study.name).stdout
    assert mount("-o", "remount,rw", str(study.home))
    study.run()
    assert len(study.records) == 2
    assert finished.items() <= study.records.items()
    assert None not in study.weights.values()
    assert [run.info.status for run in study.runs()] == ["FINISHED"] * 2
