"""What the engine for work pools makes of Prefect's answers, with a stand-in for Prefect's client and for the work on a node.

That a real server and a real worker answer so, `tests/flows/test_work_pool_study.py` shows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State, WorkerStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed, Failed, Pending, Running, Scheduled

from bertft_core.artifacts.artifact_keys import run_key
from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.config import UserError
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunRecord
from bertft_core.storage.study_dir import StudyDir, read_record
from bertft_core.training import mailbox, remote_worker
from bertft_core.training.kernel_probe import KernelProbe
from bertft_core.training.mailbox import Mailbox
from bertft_core.training.remote import files_in
from bertft_core.training.remote_jobs import Input, RemoteJob
from bertft_core.training.workers import SlotsClosing
from tasks.engines import flow_runs, work_pool
from tests.helpers.small_records import make_card, make_record, make_study
from tests.helpers.waiting import until

STARTED = {"kind": "started", "planned_steps": 10, "resumed_from_step": None}
PROBE = KernelProbe(onednn_error=0.0, mkl_error=0.0, speedup=2.0)


class FakePrefect:
    """A server with one pool. `node` does what the flow would, in a thread, for every flow run that is submitted."""

    def __init__(self, node: Callable[[FakePrefect, Any], object]) -> None:
        self.node, self.runs, self.n_workers, self.is_away = node, {}, 1, False
        self.limit: int | None = 2

    def __enter__(self) -> FakePrefect:
        if self.is_away:
            raise ConnectionError("no answer")
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def read_work_pool(self, name: str) -> Any:
        if name != "gpus":
            raise ObjectNotFound(http_exc=RuntimeError())
        return SimpleNamespace(is_push_pool=False, is_managed_pool=False, concurrency_limit=self.limit)

    def read_workers_for_work_pool(self, name: str) -> list[Any]:
        return [SimpleNamespace(status=WorkerStatus.ONLINE)] * self.n_workers + [SimpleNamespace(status=WorkerStatus.OFFLINE)]

    def create_flow_from_name(self, name: str) -> str:
        return name

    def create_deployment(self, flow_id: str, **values: Any) -> str:
        assert values["entrypoint"] == "flows.run_one.run_one"
        return str(values["work_pool_name"])

    def create_flow_run_from_deployment(self, deployment: str, **values: Any) -> Any:
        same = [run for run in self.runs.values() if run.idempotency_key == values["idempotency_key"]]
        if same:
            return same[0]
        run = SimpleNamespace(id=uuid4(), state=Scheduled(), **values)
        self.runs[run.id] = run
        threading.Thread(target=self.node, args=(self, run), daemon=True).start()
        return run

    def read_flow_run(self, flow_run: Any) -> Any:
        return self.runs[flow_run]

    def set_flow_run_state(self, flow_run: Any, state: State, force: bool) -> None:
        assert force
        self.runs[flow_run].state = state

    def read_flow_runs(self, **wanted: Any) -> list[Any]:
        return [run for run in self.runs.values() if not run.state.is_final()]

    @property
    def states(self) -> list[str]:
        return [str(run.state.name) for run in self.runs.values()]


def carries_out(prefect: FakePrefect, run: Any, before: Callable[[], object] = lambda: None) -> None:
    """A node that does its job, and leaves a made-up record."""
    folder = NODE_DIRS[0] / str(run.id)
    store = ArtifactStore(run.parameters["store"], folder / "cache")
    mail = Mailbox(store, run.parameters["mailbox"])
    request = mail.request()
    if request is None:
        return  # the study wants it no more
    run.state = Running()

    def batches():
        if "job" not in request:
            yield [{"kind": "kernels", "found": PROBE._asdict()}, {"kind": "done"}]
            return
        job = RemoteJob.model_validate(request["job"])
        yield [STARTED]
        before()
        study_dir = StudyDir(folder, "made")
        make_record(job.spec, make_card(folder), study_dir)
        run_dir = study_dir.run_dir(job.spec.digest)
        store.put(run_key(job.spec.digest), run_dir, files_in(run_dir), replace=True)
        yield [{"kind": "ended", "status": "ok"}, {"kind": "done"}]

    mail.report(batches(), lambda: None)


NODE_DIRS: list[Any] = []


@pytest.fixture
def prefect(tmp_path, monkeypatch) -> FakePrefect:
    server = FakePrefect(carries_out)
    monkeypatch.setattr(flow_runs, "get_client", lambda sync_client: server)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setattr(work_pool, "LOOK_EVERY_SECONDS", 0.02)
    for module in (mailbox, work_pool):
        monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
        monkeypatch.setattr(module, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(mailbox, "BEAT_SECONDS", 0.1)
    nothing = Input("data/x", tmp_path, ())
    for of in ("data_of", "encoder_of"):
        monkeypatch.setattr(remote_worker, of, lambda spec: nothing)
    NODE_DIRS[:] = [tmp_path / "nodes"]
    return server


def study_on_pool(**execution: Any) -> Any:
    return make_study(execution={"engine": "work_pool", "address": "gpus", "device": "cpu"} | execution)


@pytest.fixture
def opened(prefect, tmp_path):
    """The pool of a study, its runs, and the folder of one of them."""
    study = study_on_pool()
    study_dir = StudyDir(tmp_path / "home", study.name)
    specs = plan_runs(study, make_card(tmp_path), {})
    with work_pool.open_pool(study, study_dir, force=False) as pool:
        yield pool, specs, study_dir


def carried_out(opened: Any, i: int = 0) -> tuple[list[dict[str, Any]], RunRecord]:
    """The events of a run, and its record."""
    pool, specs, study_dir = opened
    events: list[dict[str, Any]] = []
    run_dir = study_dir.run_dir(specs[i].digest)
    with pool.lease() as worker:
        worker.run(specs[i], run_dir, events.append)
    record = read_record(run_dir / "record.json", RunRecord)
    assert record is not None
    return events, record


def test_a_run_is_one_flow_run_in_the_queue_of_its_device(prefect, opened):
    events, record = carried_out(opened)
    assert [event["kind"] for event in events] == ["started", "ended"]
    assert record.attempts == 1
    (run,) = prefect.runs.values()
    assert (run.name, run.work_queue_name, run.state.name) == (record.spec.title, "cpu", "Completed")
    assert "study:small" in run.tags


def dies(prefect: FakePrefect, run: Any, state: State | None) -> None:
    """A node that has begun a run, and is gone; it is seen as this by Prefect, or, with None, as still running."""
    mail = Mailbox(ArtifactStore(run.parameters["store"], NODE_DIRS[0]), run.parameters["mailbox"])
    assert mail.request() is not None
    mail._write("1", [STARTED])
    run.state = state or Running()


def first(n: int, node: Callable[..., object], *words: Any) -> Callable[[FakePrefect, Any], object]:
    """The first n flow runs meet this node, the others one that does its job."""
    return lambda prefect, run: node(prefect, run, *words) if len(prefect.runs) <= n else carries_out(prefect, run)


@pytest.mark.parametrize(
    ("state", "problem"),
    [(Crashed(), "ended early (Crashed)"), (Failed(), "ended early (Failed)"), (None, "its node has been silent for 1 s")],
)
def test_a_lost_node_costs_an_attempt_and_no_retry(prefect, opened, state, problem):
    prefect.node = first(2, dies, state)
    events, record = carried_out(opened)
    assert record.attempts == 3
    assert prefect.states == ["Crashed", "Crashed", "Completed"], "whatever Prefect took them for"
    told = [event["text"] for event in events if event["kind"] == "problem"]
    assert len(told) == 2
    assert all(problem in text and "goes on elsewhere" in text for text in told)


def test_a_start_that_hangs_is_given_up_and_what_never_starts_is_refused(prefect, opened, monkeypatch):
    monkeypatch.setattr(work_pool, "START_SECONDS", 0.2)
    prefect.node = first(1, lambda prefect, run: setattr(run, "state", Pending()))
    _, record = carried_out(opened)
    assert record.attempts == 1, "it had not begun"
    assert prefect.states == ["Crashed", "Completed"]
    for state, n in ((Crashed(message="exit code 1"), 3), (Failed(message="no module named flows"), 1)):
        prefect.runs.clear()
        prefect.node = lambda prefect, run, state=state: setattr(run, "state", state)
        with pytest.raises(UserError) as refused:
            carried_out(opened)
        assert refused.value.code == "pool.does-not-start"
        assert state.message in str(refused.value)
        assert len(prefect.runs) == n
        opened[0]._in_vain = 0


def test_no_more_are_submitted_than_there_are_places_and_who_waits_is_told(prefect, opened):
    pool, specs, _ = opened
    assert (pool.n, len(specs)) == (2, 6)
    told: list[str | None] = []
    pool.listen(told.append)
    go_on = threading.Event()

    def node(prefect: FakePrefect, run: Any) -> None:
        go_on.wait(10)
        carries_out(prefect, run)

    prefect.node = node
    threads = [threading.Thread(target=carried_out, args=(opened, i)) for i in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: len(prefect.runs) == 2)
    time.sleep(1.5)  # longer than a node may be silent: no worker has taken them yet
    assert prefect.states == ["Scheduled", "Scheduled"]
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert prefect.states == ["Completed"] * 6
    assert told[1] == "waiting for a node (0 of 2 runs have one)"
    assert told[-1] is None


def test_closing_cancels_what_is_pending_and_what_runs(prefect, opened):
    pool, _, study_dir = opened
    prefect.node = lambda prefect, run: dies(prefect, run, None) if run is next(iter(prefect.runs.values())) else None
    raised: list[BaseException] = []

    def run(i: int) -> None:
        try:
            carried_out(opened, i)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: prefect.states == ["Running", "Scheduled"])
    pool.close()
    for thread in threads:
        thread.join(10)
    assert prefect.states == ["Cancelled", "Cancelled"]
    assert [type(error) for error in raised] == [SlotsClosing] * 3
    assert not list((study_dir.home_dir / "artifacts" / "mail").glob("*/*")), "a node sees that and stops"


def test_what_a_killed_command_has_left_is_cancelled_before_anything_is_submitted(prefect, opened, tmp_path):
    address = opened[0]._flow_runs._store
    for i, store in enumerate((address, "s3://others/bertft")):
        left = {"mailbox": f"mail/x/{i}", "store": store}
        run = SimpleNamespace(id=uuid4(), state=Running(), parameters=left, idempotency_key=left["mailbox"])
        prefect.runs[run.id] = run
    carried_out(opened)
    assert prefect.states == ["Cancelled", "Running", "Completed"], "that of another store is another study's"


def test_a_server_that_is_away_for_a_moment_costs_nothing(prefect, opened):
    away = threading.Timer(0.3, lambda: setattr(prefect, "is_away", False))

    def node(prefect: FakePrefect, run: Any) -> None:
        prefect.is_away = True  # when it is to be asked for states, and to be told the final one
        carries_out(prefect, run)

    prefect.node = node
    prefect.is_away = True
    away.start()
    _, record = carried_out(opened)
    assert record.attempts == 1
    assert prefect.states == ["Running"]
    prefect.is_away, prefect.node = False, carries_out
    carried_out(opened, 1)
    assert prefect.states == ["Completed", "Completed"]


def test_a_store_that_is_away_when_a_result_has_arrived_costs_nothing(prefect, opened, monkeypatch):
    delete = opened[0]._store.delete

    def away(key: str) -> None:
        if key.startswith("run/"):
            raise RuntimeError("away")
        delete(key)

    monkeypatch.setattr(opened[0]._store, "delete", away)
    prefect.node = carries_out
    _, record = carried_out(opened)
    assert (record.status, record.attempts) == ("ok", 1)


def test_kernels_are_measured_by_a_node(prefect, opened):
    prefect.node = first(1, lambda prefect, run: setattr(run, "state", Crashed()))
    assert opened[0].probe_kernels(1) == PROBE
    assert prefect.states == ["Crashed", "Completed"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"url": None}, "pool.no-server"),
        ({"away": True}, "pool.no-server"),
        ({"pool": "other"}, "pool.not-found"),
        ({"pool": None}, "pool.not-found"),
        ({"workers": 0}, "pool.no-worker"),
    ],
)
def test_a_pool_that_cannot_work_is_refused_at_once(prefect, tmp_path, monkeypatch, change, code):
    if "url" in change:
        monkeypatch.delenv("PREFECT_API_URL")
    prefect.is_away, prefect.n_workers = change.get("away", False), change.get("workers", 1)
    study = study_on_pool(address=change.get("pool", "gpus"))
    with pytest.raises(UserError) as refused:
        work_pool.open_pool(study, StudyDir(tmp_path, study.name), force=False)
    assert refused.value.code == code


@pytest.mark.parametrize(("limit", "slots", "n"), [(3, "auto", 3), (None, "auto", 2), (3, 5, 5)])
def test_runs_at_once_are_the_limit_of_the_pool_or_one_per_worker(prefect, tmp_path, limit, slots, n):
    prefect.limit, prefect.n_workers = limit, 2
    study = study_on_pool(slots=slots)
    with work_pool.open_pool(study, StudyDir(tmp_path, study.name), force=False) as pool:
        assert pool.n == n
