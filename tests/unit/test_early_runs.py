"""Runs that train before their Prefect tasks are there: in the order of the plan, adopted once, tried again where they failed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunRecord, RunSpec
from bertft_core.storage.study_dir import StudyDir
from tasks import early_runs
from tasks.early_runs import EarlyRuns
from tasks.run_tasks import train_run
from tests.helpers.small_records import make_card, make_record, make_study
from tests.helpers.waiting import PATIENCE_SECONDS, until


class Session:
    """A session with its pool and its log in one; a run ends when it may, or raises the failure of its number."""

    def __init__(self, folder: Path, n_slots: int, failures: dict[int, Exception] | None = None, **study: Any) -> None:
        self.study, self.card = make_study(**{"arms": {"plain": {}, "slow": {"learning_rate": 1e-6}}} | study), make_card(folder)
        self.dir, self.forced = StudyDir(folder, self.study.name), False
        self.slots = self.tracker = self.progress = self
        self.n = self.n_slots = n_slots
        self._free, self._failures = threading.Semaphore(n_slots), failures or {}
        self.specs = plan_runs(self.study, self.card, {})
        self.started: list[RunSpec] = []
        self.tried: list[RunSpec] = []
        self.may_end = threading.Event()

    def share_devices(self, longest: RunSpec) -> None:
        assert not self.started, "slots are counted before the first run begins"
        self.tried.append(longest)

    @contextmanager
    def lease(self) -> Iterator[Any]:
        with self._free:
            yield SimpleNamespace(run=self.run)

    def run(self, spec: RunSpec, run_dir: Path, on_event: Any) -> None:
        self.started.append(spec)
        number = len(self.started)
        assert self.may_end.wait(PATIENCE_SECONDS)
        if number in self._failures:
            raise self._failures[number]
        make_record(spec, self.card, self.dir)

    @contextmanager
    def run_of(self, spec: RunSpec) -> Iterator[Any]:
        yield lambda event: None

    def restore(self, digest: str, run_dir: Path) -> RunRecord | None:
        return None


@pytest.fixture(autouse=True)
def runs_of_one_length(monkeypatch):
    """The cards here name an encoder that has no files."""
    monkeypatch.setattr(early_runs, "calculated_seconds", lambda card: lambda spec: 1.0)


def adopt(session: Session, early: EarlyRuns, spec: RunSpec) -> RunRecord:
    run_dir = session.dir.run_dir(spec.digest)
    return train_run.fn(spec, run_dir, slots=session.slots, log=session.tracker, progress=session.progress, early=early)


def test_slots_are_filled_in_the_plans_order_until_the_flow_asks(tmp_path):
    session = Session(tmp_path, n_slots=2)
    early = EarlyRuns(session, session.card)  # type: ignore[arg-type]
    early.begin_decided()
    until(lambda: len(session.started) == 2)
    early.stop()
    session.may_end.set()
    assert {spec.digest for spec in session.started} == {spec.digest for spec in session.specs[:2]}
    assert [early.has_begun(spec) for spec in session.specs[:3]] == [True, True, False]
    for spec in session.specs[:3]:
        assert adopt(session, early, spec).digest == spec.digest
    assert [session.started.count(spec) for spec in session.specs[:3]] == [1, 1, 1], "what was begun is not trained again"
    assert not any(map(early.has_begun, session.specs)), "each is adopted once"


def test_runs_with_a_record_are_not_begun(tmp_path):
    session = Session(tmp_path, n_slots=1)
    make_record(session.specs[0], session.card, session.dir)
    session.may_end.set()
    early = EarlyRuns(session, session.card)  # type: ignore[arg-type]
    early.begin_decided()
    until(lambda: len(session.started) == len(session.specs) - 1)
    assert session.specs[0] not in session.started
    assert len(session.tried) == 1
    assert session.tried[0] in session.specs[1:], "devices are tried with a run that is to be trained"


def test_a_failure_is_raised_by_the_task_and_its_next_attempt_trains_anew(tmp_path):
    session = Session(tmp_path, n_slots=1, failures={1: RuntimeError("the first attempt")})
    session.may_end.set()
    early = EarlyRuns(session, session.card)  # type: ignore[arg-type]
    early.begin_decided()
    spec = session.specs[0]
    until(lambda: early.has_begun(spec))
    with pytest.raises(RuntimeError, match="the first attempt"):
        adopt(session, early, spec)
    assert session.started == [spec], "after a failure no further run is begun"
    assert adopt(session, early, spec).digest == spec.digest
    assert session.started == [spec, spec]


def test_runs_do_not_wait_for_their_tasks(tmp_path):
    session = Session(tmp_path, n_slots=2)
    session.may_end.set()
    early = EarlyRuns(session, session.card)  # type: ignore[arg-type]
    early.begin(session.specs)
    until(lambda: len(session.started) == len(session.specs))
    assert [adopt(session, early, spec).digest for spec in session.specs] == [spec.digest for spec in session.specs]
    assert len(session.started) == len(session.specs)


def test_a_task_that_comes_first_waits_for_its_turn(tmp_path):
    session = Session(tmp_path, n_slots=1)
    early = EarlyRuns(session, session.card)  # type: ignore[arg-type]
    first, second, third = session.specs[:3]
    early.begin([first, second, third])
    until(lambda: session.started == [first])
    task = threading.Thread(target=adopt, args=(session, early, second))
    task.start()
    until(lambda: not early.has_begun(second))
    session.may_end.set()
    task.join(PATIENCE_SECONDS)
    until(lambda: third in session.started)
    assert session.started == [first, second, third]


def test_after_a_failure_tasks_begin_the_others(tmp_path):
    session = Session(tmp_path, n_slots=1, failures={1: RuntimeError("the first attempt")})
    early = EarlyRuns(session, session.card)  # type: ignore[arg-type]
    first, second, third = session.specs[:3]
    early.begin([first, second, third])
    until(lambda: session.started == [first])
    waiting = threading.Thread(target=adopt, args=(session, early, second))
    waiting.start()
    until(lambda: not early.has_begun(second))
    session.may_end.set()
    with pytest.raises(RuntimeError, match="the first attempt"):
        adopt(session, early, first)
    waiting.join(PATIENCE_SECONDS)
    assert session.started == [first, second]
    assert adopt(session, early, third).digest == third.digest


def test_what_a_study_asks_for_again_is_begun_again(tmp_path):
    session = Session(tmp_path, n_slots=1)
    session.may_end.set()
    early = EarlyRuns(session, session.card)  # type: ignore[arg-type]
    spec = session.specs[0]
    for n in (1, 2):  # as with a run that goes on after a cut
        early.begin([spec])
        until(lambda n=n: session.started == [spec] * n)  # type: ignore[misc]
        adopt(session, early, spec)


def test_an_arm_that_a_search_decides_waits_for_it(tmp_path):
    search = {"space": {"learning_rate": {"low": 1e-5, "high": 1e-3}}, "n_trials": 2}
    session = Session(tmp_path, n_slots=1, arms={"searched": {"search": search}, "plain": {}})
    session.may_end.set()
    early = EarlyRuns(session, session.card)  # type: ignore[arg-type]
    early.begin_decided()
    until(lambda: len(session.started) == len(session.specs) / 2)
    assert {spec.arm for spec in session.started} == {"plain"}


@pytest.mark.parametrize(("shared", "n_tried"), [("auto", 1), (1, 0)])
def test_devices_are_shared_for_a_flow_that_begins_no_runs_early(tmp_path, shared, n_tried):
    session = Session(tmp_path, n_slots=1, execution={"device": "cuda", "runs_per_device": shared})
    early = EarlyRuns(session, session.card)  # type: ignore[arg-type]
    early.stop()
    early.share_devices()
    early.share_devices()
    assert len(session.tried) == n_tried


def test_an_error_of_sharing_devices_is_raised_in_the_flow(tmp_path, monkeypatch):
    session = Session(tmp_path, n_slots=1, execution={"device": "cuda", "runs_per_device": "auto"})
    monkeypatch.setattr(session, "share_devices", lambda longest: pytest.fail("no slot"))
    early = EarlyRuns(session, session.card)  # type: ignore[arg-type]
    early.begin_decided()
    until(early._stopped.is_set)
    with pytest.raises(pytest.fail.Exception, match="no slot"):
        early.share_devices()
