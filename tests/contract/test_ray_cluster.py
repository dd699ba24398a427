"""Runs on a Ray cluster of two nodes without a common folder are the runs of one machine, whatever becomes of the nodes."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bertft_core.artifacts.artifact_keys import state_key
from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.records import RunRecord
from bertft_core.storage.study_dir import StudyDir, read_record
from bertft_core.training.slots import Slots
from tests.helpers.interrupted_runs import result_in
from tests.helpers.ray_driver import LONG, specs_of
from tests.helpers.ray_lab import START_SECONDS, RayLab, ray_lab
from tests.helpers.waiting import becomes

pytestmark = pytest.mark.slow


class Driver:
    """A driver in the cluster, and what it has said."""

    def __init__(self, lab: RayLab, name: str, **asked: Any) -> None:
        self.folder = lab.path / "driver" / name
        self.asked = {"folder": str(self.folder), "store": lab.store, "address": lab.address, **asked}
        command = (sys.executable, "-m", "tests.helpers.ray_driver", json.dumps(self.asked))
        self.log = lab.path / f"{name}.log"
        self.process = lab.driver(*command, stdout=subprocess.PIPE, stderr=self.log.open("w"))
        self.said: list[dict[str, Any]] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("null")

    def hears(self, kind: str, seconds: float = START_SECONDS, **more: Any) -> dict[str, Any]:
        """The next thing of this kind that it says."""
        deadline = time.monotonic() + seconds
        while True:
            said = json.loads(self._lines.get(timeout=max(0.01, deadline - time.monotonic())))
            assert said is not None, self.log.read_text()
            self.said.append(said)
            if said["kind"] == kind and more.items() <= said.items():
                return said

    def end(self) -> list[dict[str, Any]]:
        """Everything it has said, once it is done."""
        self.hears("closed")
        assert self.process.wait(60) == 0
        return self.said

    def specs(self) -> list[Any]:
        return specs_of(self.folder, self.asked)[1]

    def run_dir(self, spec: Any) -> Path:
        return StudyDir(self.folder / "home", spec.study).run_dir(spec.digest)


@pytest.fixture(scope="module")
def lab():
    with ray_lab(2) as lab:
        yield lab


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """What this machine computes for a run."""
    with Slots([{}], tmp_path_factory.mktemp("logs")) as slots, slots.lease() as worker:

        def result(spec: Any, run_dir: Path) -> dict[str, Any]:
            worker.run(spec, run_dir, lambda event: None)
            return result_in(run_dir)

        yield result


def test_runs_on_two_nodes_are_those_of_one_machine_and_inputs_travel_once(lab, here, tmp_path):
    """With more slots than there are CPUs, and more runs than slots."""
    driver = Driver(lab, "equal", seeds=4, slots=3)
    said = driver.end()
    for spec in driver.specs():
        assert result_in(driver.run_dir(spec)) == here(spec, tmp_path / str(spec.index))
    leased = [each for each in said if each["kind"] == "leased"]
    assert {each["node"] for each in leased} == {lab.node_address(1), lab.node_address(2)}
    fetched: dict[str, set[int]] = {}
    for each in said:
        if each["kind"] == "left":
            fetched.setdefault(each["node"], set()).add(each["fetched_bytes"])
    assert all(len(bytes_of) == 1 for bytes_of in fetched.values()), "a later run on a node fetches nothing"
    assert "waiting for a node (2 of 3 slots have one)" in [each.get("text") for each in said]
    assert becomes(lambda: not lab.workers_in(1) + lab.workers_in(2), 30.0)


def test_a_run_whose_node_is_killed_is_finished_on_the_other_one(lab, here, tmp_path):
    driver = Driver(lab, "killed", training=LONG)
    node = driver.hears("leased")["node"]
    (spec,) = driver.specs()
    assert becomes(lambda: ArtifactStore(lab.store, tmp_path).has(state_key(spec.digest)), START_SECONDS)
    killed, killed_at = next(i for i in (1, 2) if lab.node_address(i) == node), time.time()
    lab.kill_all_in(killed)
    lost = driver.hears("problem")
    assert lost["at"] - killed_at < 15.0
    assert driver.hears("started")["resumed_from_step"] >= 25
    said = driver.end()
    assert [each["node"] for each in said if each["kind"] == "left"] == [lab.node_address(3 - killed)]
    record = read_record(driver.run_dir(spec) / "record.json", RunRecord)
    assert record is not None
    assert record.attempts == 2
    found = result_in(driver.run_dir(spec))
    found["record"]["attempts"] = 1
    assert found == here(spec, tmp_path / "here")
    lab.start_node(killed)


def test_a_run_leaves_a_node_that_is_shut_down_and_goes_on_from_that_very_step(lab, here, tmp_path):
    """`ray start --block` gets SIGTERM, as from a spot machine or a batch system. No state was stored before."""
    driver = Driver(lab, "shut-down", training=LONG, execution={"upload_every_seconds": 3600.0})
    node = driver.hears("leased")["node"]
    driver.hears("started")
    assert becomes(lambda: list(lab.path.glob("node*/slots/*/run/checkpoint/step-*")), START_SECONDS)
    shut_down = next(i for i in (1, 2) if lab.node_address(i) == node)
    lab.shut_down(shut_down)
    assert driver.hears("problem")["text"].startswith("the node is being shut down; the run goes on elsewhere")
    assert driver.hears("started")["resumed_from_step"] > 0
    assert becomes(lambda: not lab.is_up(shut_down), 30.0), "the node waits for nothing else"
    said = driver.end()
    assert [each["node"] for each in said if each["kind"] == "left"] == [lab.node_address(3 - shut_down)]
    (spec,) = driver.specs()
    found = result_in(driver.run_dir(spec))
    assert found["record"].pop("attempts") == 2
    assert found == here(spec, tmp_path / "here") | {"record": found["record"]}
    lab.kill_all_in(shut_down)
    lab.start_node(shut_down)


def test_runs_share_a_gpu_on_the_node_that_has_one(lab):
    """Ray knows GPUs as numbers, so a number shows where runs are placed; training there is refused for want of a real one."""
    lab.kill_all_in(2)
    lab.start_node(2, n_cpus=4, n_gpus=1)
    on_gpus = {"device": "cuda", "kernels": "auto", "gpus_per_run": 0.5}
    said = Driver(lab, "gpus", seeds=3, slots=3, execution=on_gpus).end()
    placed = [(each["node"], each["gpus"]) for each in said if each["kind"] == "leased"]
    assert placed == [(lab.node_address(2), ["0"])] * 3
    assert "waiting for a node (2 of 3 slots have one)" in [each.get("text") for each in said], "two halves, though it has 4 CPUs"
    assert {each["code"] for each in said if each["kind"] == "failed"} == {"machine.no-gpu"}
    lab.kill_all_in(2)
    lab.start_node(2)


def test_without_a_node_a_study_waits_and_goes_on_when_one_joins(lab):
    for i in (1, 2):
        lab.kill_all_in(i)
    driver = Driver(lab, "waiting")
    assert driver.hears("waits")["text"] == "waiting for a node"
    lab.start_node(1)
    assert driver.hears("ended")["status"] in ("ok", "collapsed")
    driver.end()
    lab.start_node(2)


def test_a_killed_driver_leaves_nothing_behind_and_its_run_goes_on(lab, tmp_path):
    driver = Driver(lab, "left", training=LONG)
    driver.hears("started")
    (spec,) = driver.specs()
    assert becomes(lambda: ArtifactStore(lab.store, tmp_path).has(state_key(spec.digest)), START_SECONDS)
    assert lab.workers_in(1) + lab.workers_in(2)
    os.kill(driver.process.pid, signal.SIGKILL)
    assert becomes(lambda: not lab.workers_in(1) + lab.workers_in(2), 30.0)
    again = Driver(lab, "left", training=LONG)
    assert again.hears("started")["resumed_from_step"] >= 25
    again.end()


def test_a_node_whose_raylet_dies_as_it_starts_is_started_again(lab):
    """As on a busy machine, where a raylet may fail one of its own start-up checks."""
    lab.kill_all_in(2)
    killed: list[int] = []

    def kill() -> None:
        assert becomes(lambda: lab.raylets_in(2), START_SECONDS)
        killed.extend(lab.raylets_in(2))
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    lab.start_node(2)
    killer.join()
    assert killed
    assert lab.is_up(2)
    assert lab.raylets_in(2)
    assert not set(lab.raylets_in(2)) & set(killed)


def test_a_cluster_is_not_joined_without_its_token(lab):
    without = {name: value for name, value in lab.environment.items() if not name.startswith("RAY_AUTH")}
    asked = {"folder": str(lab.path / "driver" / "open"), "store": lab.store, "address": lab.address}
    command = [
        "env",
        "-i",
        *(f"{name}={value}" for name, value in without.items()),
        sys.executable,
        "-m",
        "tests.helpers.ray_driver",
    ]
    process = lab.driver(*command, json.dumps(asked), stderr=subprocess.PIPE)
    assert "a Ray cluster beyond this machine needs a token" in process.communicate(timeout=START_SECONDS)[1]
