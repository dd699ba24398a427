"""A run on a node gives what it gives here: over a store alone, with no folder that both know."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

import pytest

from bertft_core.artifacts.artifact_keys import model_key, run_key, state_key
from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.artifacts.store_address import default_address
from bertft_core.config import UserError
from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.records import RunRecord
from bertft_core.records.probe_record import ProbeRecord
from bertft_core.storage.study_dir import read_record
from bertft_core.training.remote import NodeSlot
from bertft_core.training.remote_jobs import data_of, encoder_of
from bertft_core.training.remote_worker import RemoteRuns, RemoteWorker
from bertft_core.training.slots import Slots
from bertft_core.training.workers import RunFailed, WorkerDied, WorkerLeft
from tests.helpers.interrupted_runs import result_in, wait_for_state
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import tiny_spec, tiny_study, with_training

LONG = {"epochs": None, "max_steps": 150, "evaluate_every_epochs": None, "evaluate_every_steps": 75}


def ignore(event):
    pass


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The study's machine: its folder, and a run of the arm `full`."""
    folder = tmp_path_factory.mktemp("study")
    return folder, tiny_spec(*tiny_study(folder))


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A worker of the study's machine, which says what is right."""
    with Slots([{}], tmp_path_factory.mktemp("logs")) as slots, slots.lease() as worker:
        yield worker


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node that stays; its address of the store is `address`."""
    folder = tmp_path_factory.mktemp("node")
    slot = NodeSlot(folder / "home", default_address(folder), {})
    yield slot
    slot.close()


def address_of(node: NodeSlot) -> str:
    return node._store.address


def remote(node: NodeSlot, tmp_path: Path, *, every_seconds: float = 60.0, force: bool = False) -> RemoteWorker:
    store = ArtifactStore(address_of(node), tmp_path / "cache")
    return RemoteWorker(RemoteRuns(store, every_seconds, force=force), node.carry_out)


@contextlib.contextmanager
def out_of_sight(*folders: Path):
    """The folders are elsewhere, so that nobody can read them."""
    for folder in folders:
        folder.rename(folder.with_name(folder.name + "-hidden"))
    try:
        yield
    finally:
        for folder in folders:
            folder.with_name(folder.name + "-hidden").rename(folder)


def test_a_run_on_a_node_is_the_run_here(study, here, node, tmp_path):
    folder, spec = study
    here.run(spec, tmp_path / "here", ignore)

    def unseen(job):
        with out_of_sight(folder / "home", folder / "encoder", folder / "texts"):
            yield from node.carry_out(job)

    worker, events = remote(node, tmp_path), []
    worker._carry_out = unseen
    worker.run(spec, tmp_path / "study" / "runs" / "one", events.append)
    there = tmp_path / "study" / "runs" / "one"
    assert result_in(there) == result_in(tmp_path / "here")
    assert [event["kind"] for event in events].count("step") == 15
    assert {event["kind"] for event in events} >= {"started", "evaluation", "predicting", "ended"}
    found = {path for path in there.rglob("*") if path.is_file()}
    assert {path.relative_to(there) for path in found} == {
        path.relative_to(tmp_path / "here") for path in (tmp_path / "here").rglob("*") if path.is_file()
    }
    assert [path for path in found if str(node.dir.parents[1]).encode() in path.read_bytes()] == [], "no path of the node"


@pytest.mark.slow
def test_a_second_run_fetches_nothing_and_the_store_keeps_inputs_alone(study, node, tmp_path):
    _, spec = study
    worker = remote(node, tmp_path)
    worker.run(spec, tmp_path / "study" / "runs" / "one", ignore)
    before = node.fetched_bytes()
    worker.run(with_training(spec, learning_rate=0.02), tmp_path / "study" / "runs" / "two", ignore)
    assert node.fetched_bytes() == before > 0
    kinds = {path.name for path in Path(address_of(node).removeprefix("file://")).iterdir() if any(path.iterdir())}
    assert kinds == {"data", "encoder"}
    assert [path.name for path in node.dir.iterdir()] in (["lock", "logs"], ["logs", "lock"])


def test_a_run_goes_on_on_another_node_from_its_last_stored_state(study, here, tmp_path):
    spec = with_training(study[1], **LONG).model_copy(update={"checkpoint_every_steps": 20})
    here.run(spec, tmp_path / "here", ignore)
    store, run_dir = ArtifactStore(default_address(tmp_path), tmp_path / "cache"), tmp_path / "study" / "runs" / "one"
    first = NodeSlot(tmp_path / "node-1", store.address, {})

    def end_when_a_state_is_stored() -> None:
        while not store.has(state_key(spec.digest)):
            time.sleep(0.01)
        first._slots.interrupt()

    killer = threading.Thread(target=end_when_a_state_is_stored)
    killer.start()
    with pytest.raises(WorkerDied):
        RemoteWorker(RemoteRuns(store, 0.05), first.carry_out).run(spec, run_dir, ignore)
    killer.join()
    first.close()
    second, events = NodeSlot(tmp_path / "node-2", store.address, {}), []
    RemoteWorker(RemoteRuns(store, 0.05), second.carry_out).run(spec, run_dir, events.append)
    second.close()
    assert events[0]["resumed_from_step"] >= 20
    assert result_in(run_dir) == result_in(tmp_path / "here")
    assert not store.has(state_key(spec.digest))
    assert not store.has(run_key(spec.digest))
    assert not first.dir.exists()


@pytest.mark.slow
def test_a_run_leaves_a_node_that_is_shut_down_with_its_very_last_state(study, here, tmp_path):
    """Whatever the interval of uploads, and without using up a retry."""
    spec = with_training(study[1], **LONG)  # no state is saved before
    here.run(spec, tmp_path / "here", ignore)
    store, run_dir, events = ArtifactStore(default_address(tmp_path), tmp_path / "cache"), tmp_path / "study" / "runs" / "one", []
    nodes = [NodeSlot(tmp_path / f"node-{i}", store.address, {}) for i in (1, 2)]
    carried_out = []

    def on_event(event):
        events.append(event)
        if event.get("step") == 30:
            nodes[0].drain()

    def carry_out(job):
        carried_out.append(nodes[len(carried_out)])
        yield from carried_out[-1].carry_out(job)

    RemoteWorker(RemoteRuns(store, 3600.0), carry_out).run(spec, run_dir, on_event)
    assert [event["text"] for event in events if event["kind"] == "problem"] == [
        "the node is being shut down; the run goes on elsewhere from its last stored state"
    ]
    steps = [event["step"] for event in events if event["kind"] == "step"]
    assert steps == list(range(1, 151)), "no step is lost, and none is done twice"
    found = result_in(run_dir)
    assert found["record"].pop("attempts") == 2
    assert found == result_in(tmp_path / "here") | {"record": found["record"]}
    with pytest.raises(WorkerLeft):
        RemoteWorker(RemoteRuns(store, 3600.0), nodes[0].carry_out)._converse(
            RemoteRuns(store, 3600.0).job("train", spec), [], run_dir, ignore
        )
    for node in nodes:
        node.close()


@pytest.mark.slow
def test_a_state_of_this_machine_is_taken_along(study, here, node, tmp_path):
    """A study that began on one machine goes on on nodes, and does not begin again."""
    spec = with_training(study[1], **LONG).model_copy(update={"checkpoint_every_steps": 20})
    run_dir, events = tmp_path / "study" / "runs" / "one", []

    def kill(event):
        if event.get("step") == 45:
            wait_for_state(run_dir, 40)
            raise KeyboardInterrupt

    with Slots([{}], tmp_path / "logs") as slots, slots.lease() as worker, pytest.raises(KeyboardInterrupt):
        worker.run(spec, run_dir, kill)
    remote(node, tmp_path).run(spec, run_dir, events.append)
    here.run(spec, tmp_path / "here", ignore)
    assert events[0]["resumed_from_step"] >= 40
    assert result_in(run_dir) == result_in(tmp_path / "here")


@pytest.mark.slow
def test_a_forced_run_begins_anew(study, node, tmp_path):
    spec = with_training(study[1], **LONG).model_copy(update={"checkpoint_every_steps": 20})
    runs = RemoteRuns(ArtifactStore(address_of(node), tmp_path / "cache"), 0.05)

    def leave(event):
        if runs.store.has(state_key(spec.digest)):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RemoteWorker(runs, node.carry_out).run(spec, tmp_path / "study" / "runs" / "one", leave)
    assert runs.store.has(state_key(spec.digest))
    events = []
    remote(node, tmp_path, force=True).run(spec, tmp_path / "study" / "runs" / "one", events.append)
    assert events[0]["resumed_from_step"] is None


@pytest.mark.slow
def test_a_run_that_stopped_at_its_cut_goes_on_on_another_node(study, here, node, tmp_path):
    cut = study[1].model_copy(update={"stop_at": 0.5})
    run_dir, events = tmp_path / "study" / "runs" / "one", []
    worker = remote(node, tmp_path)
    worker.run(cut, run_dir, ignore)
    record = read_record(run_dir / "record.json", RunRecord)
    assert record is not None
    assert (record.status, record.n_steps) == ("pruned", 8)
    worker.run(study[1], run_dir, events.append)
    assert events[0]["resumed_from_step"] == 8
    here.run(study[1], tmp_path / "here", ignore)
    assert result_in(run_dir)["files"] == result_in(tmp_path / "here")["files"]


@pytest.mark.parametrize("input_of", [data_of, pytest.param(encoder_of, marks=pytest.mark.slow)])
def test_what_is_damaged_in_the_store_is_stored_again(study, tmp_path, input_of):
    spec, address = study[1], default_address(tmp_path)
    store = ArtifactStore(address, tmp_path / "cache")
    worker_of = RemoteRuns(store, 60.0)
    needed = input_of(spec)
    worker_of.provide(needed)
    blob = next(path for path in Path(store._root, needed.key).iterdir() if path.name != "manifest.json")
    blob.write_bytes(b"changed")
    slot, events = NodeSlot(tmp_path / "node", address, {}), []
    RemoteWorker(worker_of, slot.carry_out).run(spec, tmp_path / "study" / "runs" / "one", events.append)
    slot.close()
    assert "checksum" in events[0]["text"]
    assert events[-1]["kind"] == "ended"


@pytest.mark.slow
def test_mistakes_and_errors_cross_over_with_the_log_of_the_run(study, node, tmp_path):
    worker, run_dir = remote(node, tmp_path), tmp_path / "study" / "runs" / "one"
    with pytest.raises(UserError) as refused:
        worker.run(with_training(study[1], precision="fp16"), run_dir, ignore)
    assert refused.value.code == "machine.fp16-needs-gpu"
    broken = study[1].model_copy(update={"labels": ("only one",)})
    with pytest.raises(RunFailed, match="Error"):
        worker.run(broken, run_dir, ignore)
    assert "Traceback" in (run_dir / "log.txt").read_text()
    assert not (run_dir / "record.json").exists()


@pytest.mark.slow
def test_a_listener_that_leaves_ends_the_run_and_the_next_one_is_whole(study, node, tmp_path):
    endless = with_training(study[1], epochs=None, max_steps=1_000_000, evaluate_every_epochs=None)

    def leave(event):
        if event.get("step", 0) >= 3:
            raise KeyboardInterrupt

    worker = remote(node, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        worker.run(endless, tmp_path / "study" / "runs" / "left", leave)
    events = []
    worker.run(study[1], tmp_path / "study" / "runs" / "next", events.append)
    assert events[0]["planned_steps"] == 15
    assert events[-1]["kind"] == "ended"


def test_a_probe_that_fails_leaves_no_model_in_the_store(study, tmp_path):
    store = ArtifactStore(default_address(tmp_path), tmp_path / "cache")
    model = tmp_path / "one" / "model" / "model.safetensors"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"weights")
    key = model_key(study[1].digest)

    def fails(job):
        assert store.has(key)
        raise WorkerDied("the node ended")
        yield

    with pytest.raises(WorkerDied):
        RemoteWorker(RemoteRuns(store, 60.0), fails).probe(study[1], tmp_path / "one", ProbesConfig(masked_lm=None))
    assert not store.has(key)


@pytest.mark.slow
def test_a_node_probes_a_model(study, here, node, tmp_path):
    spec, probes, run_dir = study[1], ProbesConfig(masked_lm=None), tmp_path / "study" / "runs" / "one"
    worker = remote(node, tmp_path)
    worker.run(spec, run_dir, ignore)
    worker.probe(spec, run_dir, probes)
    there = read_record(run_dir / "probes.json", ProbeRecord)
    here.probe(spec, run_dir, probes)
    assert there == read_record(run_dir / "probes.json", ProbeRecord)
    assert there is not None
    assert len(there.drift) == 3


@pytest.mark.slow
def test_replayed_texts_travel_with_the_data(here, node, tmp_path):
    encoder = tiny_encoder(tmp_path / "own", masked_lm_head=True)
    (tmp_path / "raw.txt").write_text("the soup was hot\nthe cast was small\nit was a good day\n")
    arms = {"full": {"strategies": [{"kind": "replay", "text": str(tmp_path / "raw.txt")}]}}
    spec = tiny_spec(*tiny_study(tmp_path / "study", encoder={"path": str(encoder)}, arms=arms), max_steps=3, epochs=None)
    assert spec.replayed_sha256 is not None
    here.run(spec, tmp_path / "here", ignore)
    remote(node, tmp_path).run(spec, tmp_path / "study" / "runs" / "one", ignore)
    assert result_in(tmp_path / "study" / "runs" / "one") == result_in(tmp_path / "here")


def test_what_a_killed_slot_has_left_is_removed_by_the_next_one(tmp_path):
    left = tmp_path / "slots" / "0123"
    left.mkdir(parents=True)
    (left / "lock").write_text("")
    address = default_address(tmp_path)
    first = NodeSlot(tmp_path, address, {})
    second = NodeSlot(tmp_path, address, {})
    assert not left.exists()
    assert first.dir.exists(), "its process lives"
    pid = first._slots._workers[0].pid
    first.close()
    second.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
