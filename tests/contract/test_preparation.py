"""A command prepares data in a worker rather than load the libraries itself, with the card, messages and refusals of its own."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.records import DatasetCard
from bertft_core.training.absent_packages import absent
from bertft_core.training.slots import Slots
from bertft_core.training.trial_step import prepare_and_try
from flows.cli.reading_lines import ReadingLines, reading_shown
from tasks import preparation
from tasks.preparation import asks_the_hub, prepare_beside
from tests.helpers.interrupted_runs import pids_of
from tests.helpers.tiny_studies import tiny_study

IN_A_CHILD = """
import sys
from pathlib import Path
from bertft_core.config import StudyConfig
from bertft_core.training.slots import Slots
from tasks.preparation import prepare_beside

if __name__ == "__main__":
    study, home, logs = StudyConfig.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
    with Slots([{}], logs) as workers:
        card = prepare_beside(study, home, workers, print)
    print(card.model_dump_json())
    print([name for name in ("torch", "transformers", "datasets") if name in sys.modules])
"""


class Heard(ReadingLines):
    """What was reported to be read, or tokenised."""

    def __init__(self) -> None:
        super().__init__()
        self.what: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.what.add(record.__dict__["what"])


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    with Slots([{}], tmp_path_factory.mktemp("logs")) as slots:
        yield slots


def comparable(card: DatasetCard, home: Path) -> str:
    return card.model_dump_json().replace(str(home.resolve()), "HOME")


def test_the_command_needs_none_of_the_libraries_and_gets_the_same_card(tmp_path):
    study, _ = tiny_study(tmp_path)
    here = prepare_and_try(study, home_dir=tmp_path / "here")
    words = [sys.executable, "-c", IN_A_CHILD, study.model_dump_json(), str(tmp_path / "there"), str(tmp_path / "logs")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    *told, card, loaded = ended.stdout.splitlines()
    assert told == []
    assert loaded == "[]"
    assert comparable(DatasetCard.model_validate_json(card), tmp_path / "there") == comparable(here, tmp_path / "here")


def test_what_is_stored_is_read_here(tmp_path, workers, monkeypatch):
    study, _ = tiny_study(tmp_path)
    card = prepare_and_try(study, home_dir=tmp_path / "home")
    monkeypatch.setattr(workers, "lease", lambda: pytest.fail("a worker was asked"))
    assert prepare_beside(study, tmp_path / "home", workers, print) == card


def test_problems_progress_and_refusals_arrive(tmp_path, workers):
    study, card = tiny_study(tmp_path)
    (Path(card.directory) / "train.arrow").write_bytes(b"torn")
    told: list[str] = []
    heard = Heard()
    with reading_shown(heard):
        assert prepare_beside(study, tmp_path / "home", workers, told.append) == card
    assert len(told) == 1
    assert "train.arrow" in told[0]
    assert "tokenising" in heard.what
    (tmp_path / "encoder" / "model.safetensors").write_bytes(b"no weights")
    refusals = []
    for prepare in (
        lambda home: prepare_and_try(study, home_dir=home),
        lambda home: prepare_beside(study, home, workers, print),
    ):
        with pytest.raises(UserError) as caught:
            prepare(tmp_path / f"home {len(refusals)}")
        refusals.append(caught.value.fields)
    assert refusals[0] == refusals[1]


def test_a_worker_that_dies_is_replaced_by_the_command_itself(tmp_path, workers, monkeypatch):
    study, _ = tiny_study(tmp_path)
    (pid,) = pids_of(workers)
    lease = workers.lease

    def killing():
        os.kill(pid, signal.SIGKILL)
        return lease()

    monkeypatch.setattr(workers, "lease", killing)
    monkeypatch.setattr(Slots, "_live_worker", lambda slots, slot: slots._workers[slot])  # death comes after the lease
    card = prepare_beside(study, tmp_path / "other", workers, print)
    assert Path(card.directory).parent == (tmp_path / "other" / "data").resolve()


@pytest.mark.parametrize("place", ["data", "encoder"])
def test_what_is_on_the_hub_is_prepared_here(tmp_path, workers, monkeypatch, place):
    study, card = tiny_study(tmp_path)
    assert not asks_the_hub(study)
    changes = {
        "data": {"data": study.data.model_copy(update={"source": "hub"})},
        "encoder": {"encoder": study.encoder.model_copy(update={"path": None, "checkpoint": "somebody/bert", "revision": None})},
    }
    remote = study.model_copy(update=changes[place])
    assert asks_the_hub(remote)
    monkeypatch.setattr(preparation, "prepare_and_try", lambda *_, **__: card)
    monkeypatch.setattr(workers, "lease", lambda: pytest.fail("a worker was asked"))
    assert prepare_beside(remote, tmp_path / "home", workers, print) is card


def test_absent_packages_are_found_again_after_the_block(monkeypatch):
    monkeypatch.delitem(sys.modules, "accelerate", raising=False)
    with absent("accelerate", "json"):
        assert importlib.util.find_spec("accelerate") is None
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("accelerate")
        assert importlib.util.find_spec("json") is not None, "it was imported already"
    assert importlib.util.find_spec("accelerate") is not None


def test_data_that_cannot_be_read_are_refused_before_any_worker_is_asked(tmp_path, workers, monkeypatch):
    study, _ = tiny_study(tmp_path)
    train = Path(study.data.train)
    train.write_text(train.read_text() + '{"text": "half a row\n')
    monkeypatch.setattr(Slots, "lease", lambda self: pytest.fail("a worker was asked"))
    with pytest.raises(UserError) as raised:
        prepare_beside(study, tmp_path / "new home", workers, print)
    assert str(raised.value.path) == str(train)
