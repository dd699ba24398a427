"""A study's lease between machines: one command at a time, seen by all, free after a silence, and never had by two."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from bertft_core.artifacts.store_address import open_store
from bertft_core.config import UserError, parse_study
from bertft_core.storage.study_dir import StudyDir
from tasks.lease_places import StorePlace, StudyLeases
from tasks.progress import StudyProgress
from tasks.study_lease import MISSED, Lease, StudyLease, user_name
from tasks.study_lock import is_held
from tasks.study_session import Session

QUICK = 0.1
"""Seconds between heartbeats."""
HOLDER = """
import sys, time
from pathlib import Path
from tasks.lease_places import StorePlace
from tasks.study_lease import StudyLease

folder = Path(sys.argv[2])
folder.mkdir(parents=True)
StudyLease(StorePlace(sys.argv[1], "small"), folder, "token", tell=print, on_loss=print, every_seconds=float(sys.argv[3]))
print("held", flush=True)
time.sleep(60)
"""


class Command:
    """What one command of some home knows of the lease."""

    def __init__(self, address: str, home: Path, every_seconds: float = QUICK) -> None:
        self.address, self.folder, self.every_seconds = address, home / "studies" / "small", every_seconds
        self.folder.mkdir(parents=True, exist_ok=True)
        self.told: list[str] = []
        self.stopped = threading.Event()

    def take(self) -> StudyLease:
        self.lease = StudyLease(
            StorePlace(self.address, "small"),
            self.folder,
            uuid.uuid4().hex,
            tell=self.told.append,
            on_loss=self.stopped.set,
            every_seconds=self.every_seconds,
        )
        return self.lease

    def refusal(self) -> UserError:
        with pytest.raises(UserError) as refused:
            self.take()
        return refused.value

    def vanish(self) -> None:
        """It sleeps: its heart beats no more, and it gives nothing back."""
        self.lease._ending.set()
        self.lease._thread.join()


def shared_study(address: str, **execution: object):
    given = {"engine": "ray", "store": address, "kernels": "mkl", "device": "cpu"} | execution
    data = {"source": "bundled", "name": "reviews"}
    return parse_study({"name": "small", "data": data, "arms": {"full": {}}, "execution": given}, [])


def test_a_second_home_is_refused_with_the_holder_and_comes_next(address, tmp_path):
    first, second = Command(address, tmp_path / "a"), Command(address, tmp_path / "b")
    first.take()
    refused = second.refusal()
    assert refused.code == "study.leased"
    for words in (user_name(), f"process {os.getpid()} on {platform.node()}", "since ", "last heartbeat 20", "0 s ago"):
        assert words in str(refused)
    first.lease.end()
    second.take()
    assert second.told == []
    assert first.refusal().code == "study.leased"
    second.lease.end()


def test_a_heart_that_beats_keeps_the_lease(tmp_path):
    address = f"file://{tmp_path / 'shared'}"
    first, second = Command(address, tmp_path / "a"), Command(address, tmp_path / "b")
    first.take()
    time.sleep((MISSED + 2) * QUICK)
    assert second.refusal().code == "study.leased"
    first.lease.end()


def test_an_abandoned_lease_is_taken_over_and_the_sleeper_stops(address, tmp_path):
    sleeper, other = Command(address, tmp_path / "a"), Command(address, tmp_path / "b")
    sleeper.take()
    sleeper.vanish()
    assert other.refusal().code == "study.leased"
    time.sleep((MISSED + 1) * QUICK)
    other.take()
    assert [f"the lease of {user_name()}" in text and "is taken over" in text for text in other.told] == [True]

    sleeper.lease._ending.clear()
    sleeper.lease._beat()
    assert sleeper.stopped.is_set()
    with pytest.raises(UserError, match="has taken over the study 'small'"):
        sleeper.lease.expect_held()
    sleeper.lease.end()
    other.lease.expect_held()
    newest = StorePlace(address, "small").newest()
    assert (newest.token, newest.has_ended) == (other.lease._lease.token, False)
    other.lease.end()


class OnePlace:
    """Keeps one lease, as the tag of an experiment does."""

    name = "a server"
    lease: Lease | None = None

    def newest(self) -> Lease | None:
        return self.lease

    def claim(self, lease: Lease) -> bool:
        self.lease = lease
        return True

    def renew(self, lease: Lease) -> None:
        self.lease = lease


def test_a_sleeper_that_ends_before_its_next_heartbeat_leaves_the_lease_to_whoever_took_it_over(tmp_path):
    place, reported = OnePlace(), list[str]()
    sleeper = StudyLease(place, tmp_path, "sleeper", tell=reported.append, on_loss=print, every_seconds=60.0)
    theirs = sleeper._lease.model_copy(update={"n": 2, "token": "another"})
    place.renew(theirs)
    sleeper.end()
    assert place.newest() == theirs
    with pytest.raises(UserError, match="has taken over the study"):
        sleeper.expect_held()


def test_of_many_that_take_over_at_once_one_gets_it(address, tmp_path):
    old = Command(address, tmp_path / "old")
    old.take()
    old.vanish()
    time.sleep((MISSED + 1) * QUICK)
    commands = [Command(address, tmp_path / str(n), every_seconds=60.0) for n in range(8)]

    def tried(command: Command) -> str:
        try:
            command.take()
        except UserError as error:
            return error.code
        return "taken"

    with ThreadPoolExecutor(len(commands)) as threads:
        found = list(threads.map(tried, commands))
    assert sorted(found) == ["study.leased"] * (len(commands) - 1) + ["taken"]
    commands[found.index("taken")].lease.end()


@pytest.mark.parametrize("same_home", [True, False])
def test_a_killed_driver_is_continued_at_once_in_its_home_and_after_a_silence_in_another(tmp_path, same_home):
    address = f"file://{tmp_path / 'shared'}"
    words = [address, str(tmp_path / "a" / "studies" / "small"), str(QUICK * 5)]
    with subprocess.Popen([sys.executable, "-c", HOLDER, *words], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "held\n"
        driver.kill()
        driver.wait()
    command = Command(address, tmp_path / ("a" if same_home else "b"))
    if not same_home:
        assert f"process {driver.pid} on" in str(command.refusal())
        time.sleep((MISSED + 1) * QUICK * 5)
    command.take().end()
    assert [f"process {driver.pid} on" in text and "is taken over" in text for text in command.told] == [True]


def test_a_lease_that_a_kill_left_empty_is_nobodys(address, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.lease_places.EMPTY_SECONDS", 0.1)
    store = open_store(address)
    store.files.makedirs(f"{store.root}/lease/small")
    store.write(f"{store.root}/lease/small/00000007.json", b"")
    command = Command(address, tmp_path / "a")
    assert command.take()._lease.n == 8
    command.lease.end()
    assert len(store.files.ls(f"{store.root}/lease/small", detail=False)) == 1


def test_a_late_claim_of_a_number_that_is_past_is_refused(address, tmp_path):
    late, other = StorePlace(address, "small"), Command(address, tmp_path / "b")
    for _ in range(3):
        other.take().end()
    assert not late.claim(other.lease._lease.model_copy(update={"n": 2, "token": "late"}))
    assert late.newest().token == other.lease._lease.token


def test_a_place_that_is_away_stops_nobody(tmp_path, monkeypatch):
    command = Command(f"file://{tmp_path / 'shared'}", tmp_path / "a")
    command.take()
    monkeypatch.setattr(StorePlace, "newest", lambda self: (_ for _ in ()).throw(OSError("no route to host")))
    time.sleep(4 * QUICK)
    monkeypatch.undo()
    assert ["cannot be renewed: no route to host" in text for text in command.told] == [True]
    before = StorePlace(command.address, "small").newest().beat
    time.sleep(3 * QUICK)
    assert StorePlace(command.address, "small").newest().beat > before
    command.lease.end()


def test_a_study_that_shares_nothing_has_no_lease(tmp_path):
    leases = StudyLeases(tmp_path, tell=print, on_loss=print)
    leases.take(shared_study("x", engine="local", store=None))
    leases.end()
    assert list(tmp_path.iterdir()) == []


def test_a_session_in_another_home_is_refused_and_leaves_its_folder_free(tmp_path):
    address = f"file://{tmp_path / 'shared'}"
    study, folder = shared_study(address), tmp_path / "a" / "studies" / "small"
    folder.mkdir(parents=True)
    leases = StudyLeases(folder, tell=print, on_loss=print)
    leases.take(study)
    with pytest.raises(UserError) as refused, Session(study, tmp_path / "b", StudyProgress()):
        pass
    assert refused.value.code == "study.leased"
    assert not is_held(StudyDir(tmp_path / "b", "small"))
    assert not (tmp_path / "b" / "mlflow.db").exists()
    leases.end()


def away(*_: object, **__: object) -> None:
    raise OSError("away")


@pytest.mark.parametrize("where", ["tasks.study_session.open_pool", "tasks.study_session.Guard", "tasks.study_session.Tracker"])
def test_a_session_that_cannot_be_opened_gives_back_lock_and_lease(tmp_path, monkeypatch, where):
    address = f"file://{tmp_path / 'shared'}"
    pool = SimpleNamespace(n=1, listen=lambda _: None, close=lambda: None)
    monkeypatch.setattr("tasks.study_session.open_pool", lambda *_, **__: pool)
    monkeypatch.setattr(where, away)
    study = shared_study(address)
    with pytest.raises(OSError, match="away"), Session(study, tmp_path / "a", StudyProgress()):
        pass
    assert not is_held(StudyDir(tmp_path / "a", "small"))
    assert StorePlace(address, "small").newest().has_ended
