"""What the engine for Ray makes of Ray's answers, with a stand-in for Ray and for the work on a node."""

from __future__ import annotations

import importlib
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from bertft_core.artifacts.artifact_keys import run_key
from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.config import UserError
from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunRecord
from bertft_core.storage.study_dir import StudyDir, read_record
from bertft_core.training import remote_worker
from bertft_core.training.remote import files_in
from bertft_core.training.remote_jobs import Input, RemoteJob, failure_event
from bertft_core.training.workers import RunFailed, SlotsClosing, WorkerDied, WorkerLeft
from tasks.engines import node_needs
from tests.helpers.ray_stand_in import RayActorError, stand_in
from tests.helpers.small_records import make_card, make_record, make_study
from tests.helpers.waiting import until

STARTED = {"kind": "started", "planned_steps": 10, "resumed_from_step": None}


class FakeSlot:
    """In place of a `NodeSlot`: leaves a made-up record in the store, after doing what `before` says."""

    before: Any = staticmethod(lambda: None)
    closed = 0

    def __init__(self, node_dir: Path, address: str, environment: dict[str, str]) -> None:
        self._store, self._dir = ArtifactStore(address, node_dir / "cache"), node_dir
        self.environment, self.limit_bytes = environment, 0

    def limit_cache(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes

    def carry_out(self, job: RemoteJob):
        yield [STARTED]
        FakeSlot.before()
        study_dir = StudyDir(self._dir, "made")
        make_record(job.spec, make_card(self._dir), study_dir)
        folder = study_dir.run_dir(job.spec.digest)
        self._store.put(run_key(job.spec.digest), folder, files_in(folder), replace=True)
        yield [{"kind": "ended", "status": "ok"}, {"kind": "done"}]

    drained = 0

    def drain(self) -> None:
        FakeSlot.drained += 1

    def close(self) -> None:
        FakeSlot.closed += 1


@pytest.fixture
def ray(monkeypatch):
    """The stand-in, with room for two slots."""
    module = stand_in(CPU=2.0)
    monkeypatch.setitem(sys.modules, "ray", module)
    monkeypatch.setitem(sys.modules, "ray.exceptions", module.exceptions)
    monkeypatch.delitem(sys.modules, "tasks.engines.ray_cluster", raising=False)
    monkeypatch.setattr("bertft_core.training.remote.NodeSlot", FakeSlot)
    monkeypatch.setattr(FakeSlot, "before", staticmethod(lambda: None))
    monkeypatch.setattr(FakeSlot, "closed", 0)
    yield module
    sys.modules.pop("tasks.engines.ray_cluster", None)


@pytest.fixture
def opened(ray, tmp_path, monkeypatch):
    """The pool of a study, one of its runs, and the folder for it."""
    monkeypatch.setenv("BERTFT_NODE_HOME", str(tmp_path / "node"))
    nothing = Input("data/x", tmp_path, ())
    for of in ("data_of", "encoder_of"):
        monkeypatch.setattr(remote_worker, of, lambda spec: nothing)
    study = make_study(execution={"engine": "ray", "device": "cpu"})
    study_dir = StudyDir(tmp_path / "home", study.name)
    spec = plan_runs(study, make_card(tmp_path), {})[0]
    pool = engine().open_pool(study, study_dir, force=False)
    yield pool, spec, study_dir.run_dir(spec.digest)
    pool.close()


def engine() -> Any:
    return importlib.import_module("tasks.engines.ray_cluster")


def attempts_in(run_dir: Path) -> int:
    record = read_record(run_dir / "record.json", RunRecord)
    assert record is not None
    return record.attempts


def test_a_run_is_carried_out_and_its_actor_used_again(ray, opened):
    pool, spec, run_dir = opened
    assert pool.n == 2
    for _ in range(3):
        events: list[dict[str, Any]] = []
        with pool.lease() as worker:
            worker.run(spec, run_dir, events.append)
        assert [event["kind"] for event in events] == ["started", "ended"]
        assert attempts_in(run_dir) == 1
    assert len(ray.made) == 2, "as many as the cluster has room for, made before there was work"
    assert ray.needs == [
        {
            "num_cpus": 1,
            "num_gpus": 0.0,
            "max_restarts": 0,
            "max_task_retries": 0,
            "max_concurrency": 4,
            "scheduling_strategy": "SPREAD",
        }
    ]
    pool.close()
    assert all(actor.dead for actor in ray.made)
    assert FakeSlot.closed == 2
    assert not ray.joined


def test_a_lost_node_costs_an_attempt_and_no_retry(ray, opened):
    pool, spec, run_dir = opened
    losses = iter([True, True, False])

    def lose() -> None:
        if next(losses):
            raise RayActorError("node died")

    FakeSlot.before = staticmethod(lose)
    events: list[dict[str, Any]] = []
    with pool.lease() as worker:
        worker.run(spec, run_dir, events.append)
    assert attempts_in(run_dir) == 3
    assert [event["text"] for event in events if event["kind"] == "problem"] == [
        "a node was lost (RayActorError); the run goes on elsewhere from its last stored state"
    ] * 2


def test_a_run_that_ends_every_node_fails_in_the_end(ray, opened):
    pool, spec, run_dir = opened

    def lose() -> None:
        raise RayActorError("node died")

    FakeSlot.before = staticmethod(lose)
    with pool.lease() as worker, pytest.raises(WorkerDied, match="a node was lost"):
        worker.run(spec, run_dir, lambda event: None)


def test_an_actor_that_was_idle_when_its_node_died_costs_nothing(ray, opened):
    pool, spec, run_dir = opened
    with pool.lease() as worker:
        worker.run(spec, run_dir, lambda event: None)
    for actor in ray.made:
        actor.dead = True
    with pool.lease() as worker:
        worker.run(spec, run_dir, lambda event: None)
    assert attempts_in(run_dir) == 1


def test_a_run_goes_on_elsewhere_when_its_node_is_shut_down(ray, opened, monkeypatch):
    """The slot that nobody has ends at once, so that its node can; the other one when its run has left."""
    pool, spec, run_dir = opened
    monkeypatch.setattr(engine(), "LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(FakeSlot, "drained", 0)
    left = iter([True, False])

    def shut_down() -> None:
        if next(left):
            ray.draining["node"] = 0
            until(lambda: FakeSlot.drained == 2 and FakeSlot.closed == 1)
            ray.draining.clear()
            raise WorkerLeft("the node is being shut down")

    carry_out = FakeSlot.carry_out

    def or_leave(self, job):
        try:
            yield from carry_out(self, job)
        except WorkerLeft as error:
            yield [failure_event(error, log_path=run_dir / "log.txt")]

    monkeypatch.setattr(FakeSlot, "carry_out", or_leave)
    FakeSlot.before = staticmethod(shut_down)
    until(lambda: len(pool._answered) == 2)
    events: list[dict[str, Any]] = []
    with pool.lease() as worker:
        worker.run(spec, run_dir, events.append)
    assert attempts_in(run_dir) == 2
    assert [event["text"] for event in events if event["kind"] == "problem"] == [
        "the node is being shut down; the run goes on elsewhere from its last stored state"
    ]
    assert [actor.dead for actor in ray.made] == [True, True, False]


def test_an_error_of_ours_on_a_node_is_no_lost_node(ray, opened):
    pool, spec, run_dir = opened

    def fail() -> None:
        raise ValueError("a bug")

    FakeSlot.before = staticmethod(fail)
    with pool.lease() as worker, pytest.raises(RunFailed, match="ValueError: a bug"):
        worker.run(spec, run_dir, lambda event: None)


def test_a_study_that_ends_in_the_middle_of_a_run_says_so(ray, opened):
    pool, spec, run_dir = opened
    closing: list[threading.Thread] = []

    def close() -> None:
        closing.append(threading.Thread(target=pool.close))
        closing[0].start()
        while not all(actor.dead for actor in ray.made):
            pass

    FakeSlot.before = staticmethod(close)
    with pytest.raises(SlotsClosing), pool.lease() as worker:
        worker.run(spec, run_dir, lambda event: None)
    closing[0].join()
    with pytest.raises(SlotsClosing), pool.lease():
        pass


def test_a_node_with_other_versions_is_refused_to_whoever_waits(ray, opened, monkeypatch):
    pool, spec, run_dir = opened
    wanted = dict.fromkeys(node_needs.EQUAL, "0")
    with pool.lease():
        pass
    for actor in ray.made:
        actor.dead = True
    found = engine().installed()
    versions = iter([wanted, found] * 10)  # the study's, then the node's
    monkeypatch.setattr(engine(), "installed", lambda: next(versions))
    with pool.lease() as worker, pytest.raises(UserError) as refused:
        worker.run(spec, run_dir, lambda event: None)
    assert refused.value.code == "node.other-versions"


def test_a_store_that_a_node_does_not_see_is_refused(ray, tmp_path):
    with pytest.raises(UserError) as refused:
        engine().NodeActor().start(f"file://{tmp_path}", "in-sight/x", "{}", engine().installed())
    assert refused.value.code == "node.store-out-of-sight"


def test_a_node_has_the_limit_of_its_own_environment(ray, tmp_path, monkeypatch):
    monkeypatch.setenv("BERTFT_NODE_CACHE_GIB", "2")
    monkeypatch.setenv("BERTFT_NODE_HOME", str(tmp_path / "node"))
    ArtifactStore(f"file://{tmp_path}/store", tmp_path / "cache").put("in-sight/x", tmp_path, ())
    actor = engine().NodeActor()
    actor.start(f"file://{tmp_path}/store", "in-sight/x", "{}", engine().installed())
    assert actor._slot.limit_bytes == 2 * 2**30


def test_joining_keeps_our_handler_of_sigterm(ray, monkeypatch):
    monkeypatch.setattr(ray, "init", lambda **how: signal.signal(signal.SIGTERM, signal.SIG_IGN))
    before = signal.getsignal(signal.SIGTERM)
    engine().connect(None)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("address", [None, "10.0.0.1:6379"])
def test_a_cluster_beyond_this_machine_needs_a_token(ray, monkeypatch, address):
    monkeypatch.setattr(ray, "get_runtime_context", lambda: type("Context", (), {"gcs_address": "10.0.0.1:6379"}))
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(UserError) as refused:
        engine().connect(address)
    assert refused.value.code == "ray.no-token"
    assert not ray.joined
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    engine().connect(address)


@pytest.mark.parametrize(
    ("asked", "share"),
    [
        ({"device": "cpu", "gpus_per_run": 0.5}, 0.0),
        ({"device": "cuda"}, 1.0),
        ({"device": "cuda", "gpus_per_run": 0.25}, 0.25),
        ({"device": "cuda", "runs_per_device": 4}, 0.25),
        ({"device": "cuda", "runs_per_device": "auto"}, 1.0),
    ],
)
def test_the_share_of_a_gpu_that_ray_gives_a_run(ray, asked, share):
    assert engine().gpus_per_run(ExecutionConfig(**asked)) == share


@pytest.mark.parametrize(
    ("needs", "resources", "n"),
    [
        ({"num_cpus": 1, "num_gpus": 0.0}, {"CPU": 5.0, "GPU": 1.0}, 5),
        ({"num_cpus": 2, "num_gpus": 0.0}, {"CPU": 5.0}, 2),
        ({"num_cpus": 1, "num_gpus": 0.5}, {"CPU": 16.0, "GPU": 3.0}, 6),
        ({"num_cpus": 1, "num_gpus": 0.1}, {"CPU": 16.0, "GPU": 1.0}, 10),
        ({"num_cpus": 1, "num_gpus": 1.0}, {"CPU": 16.0}, 0),
    ],
)
def test_how_many_slots_a_cluster_has_room_for(ray, needs, resources, n):
    assert engine().places(needs, resources) == n
