"""A whole study by `bertft run` on a Ray cluster is the study of one machine, whatever becomes of nodes and driver."""

from __future__ import annotations

import copy
import signal
import time
from pathlib import Path

import pytest

from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.config import load_study
from flows.cli.app import USER_MUST_ACT
from tasks.study_lease import EVERY_SECONDS, MISSED
from tests.helpers.ray_lab import START_SECONDS, ray_lab
from tests.helpers.ray_studies import SECONDS, StudyLab, ended
from tests.helpers.store_checks import differences, misloggings
from tests.helpers.study_commands import LONG, WHOLE, Started
from tests.helpers.waiting import becomes

pytestmark = pytest.mark.slow
LONG_TRAINING = LONG["training"] | {"max_steps": 3000, "evaluate_every_steps": 500}
"""Long enough that a node dies, and then the driver, in the middle of a run."""


@pytest.fixture(scope="module")
def lab():
    with ray_lab(2, kind=StudyLab) as lab:
        yield lab


def test_a_study_on_nodes_is_that_of_one_machine(lab):
    """With a search, and more slots than the nodes have CPUs."""
    studies = {engine: lab.study("whole", engine, arms=WHOLE["arms"], execution={"slots": 3}) for engine in ("local", "ray")}
    said = {engine: lab.finish(study) for engine, study in studies.items()}
    assert differences(studies["ray"], studies["local"]) == []
    assert misloggings(studies["ray"], ("search", "seeds")) == []
    assert len(studies["ray"].records) >= 6
    assert "waiting for a node (2 of 3 slots have one)" in said["ray"]
    assert {record.attempts for record in studies["ray"].records.values()} == {1}
    assert load_study(studies["ray"].config).digest == load_study(studies["local"].config).digest
    assert becomes(lambda: not lab.workers, 30.0)


def test_a_study_survives_its_nodes_and_its_driver(lab):
    """A node dies in mid-run, then the driver, then the other node: no run is lost, and none has a retry to spend."""
    settings = {"retries": 0, "checkpoint_every_steps": 50}
    studies = {engine: lab.study("long", engine, training=LONG_TRAINING, execution=settings) for engine in ("local", "ray")}
    study = studies["ray"]
    stored = Path(lab.store.removeprefix("file://")) / "long-ray" / "state"
    command = lab.start(study)
    assert becomes(lambda: len(list(stored.glob("*/manifest.json"))) == 2, SECONDS), command.stderr
    lab.kill_all_in(1)
    assert becomes(lambda: "waiting for a node (1 of 2 slots have one)" in command.stderr, START_SECONDS), command.stderr
    command.process.send_signal(signal.SIGKILL)
    command.wait()
    assert becomes(lambda: not lab.workers, 30.0), "the actors of a killed driver end with it"
    assert study.records == {}
    lab.kill_all_in(2)
    command = lab.start(study)
    assert becomes(lambda: "waiting for a node" in command.stderr, SECONDS), command.stderr
    for i in (1, 2):
        lab.start_node(i)
    ended(command)
    lab.finish(studies["local"])
    assert differences(study, studies["local"]) == []
    assert misloggings(study) == []
    assert {record.status for record in study.records.values()} <= {"ok", "collapsed"}


def test_one_driver_at_a_time_has_a_study_whose_runs_leave_a_node_that_is_shut_down(lab):
    """No state is stored but what a node sends as it goes; in the end another home continues what a killed driver has left."""
    settings = {"retries": 0, "checkpoint_every_steps": 50}
    study = lab.study("leaving", "ray", training=LONG_TRAINING, execution=settings | {"upload_every_seconds": 3600.0})
    elsewhere = copy.copy(study)
    elsewhere.home = lab.path / "driver" / "elsewhere" / "home"
    elsewhere.home.mkdir(parents=True)
    stored = Path(lab.store.removeprefix("file://")) / "leaving-ray" / "state"
    command = lab.start(study)
    command.until(lambda: steps_on(lab, 1) and steps_on(lab, 2), "a checkpoint on each node", SECONDS)
    assert not list(stored.glob("*/manifest.json"))
    lab.shut_down(1)
    command.until(lambda: "waiting for a node (1 of 2 slots have one)" in command.stderr, "the loss of a slot", SECONDS)
    assert becomes(lambda: not lab.is_up(1), 30.0), "the node waits for nothing else"
    (manifest,) = stored.glob("*/manifest.json")
    names = ArtifactStore(f"{lab.store}/leaving-ray", lab.path / "read").names(f"state/{manifest.parent.name}")
    left_at = max(step_of(part) for name in names for part in name.split("/") if part.startswith("step-"))
    before = steps_on(lab, 1)
    lab.kill_all_in(1)
    lab.start_node(1)
    found = command.until(lambda: steps_on(lab, 1) - before, "a checkpoint on the node that is back", SECONDS)
    assert min(step_of(path.name) for path in found) >= left_at > 0
    assert_refused(lab.start(elsewhere), holder=command.process.pid)
    assert command.process.poll() is None
    command.process.send_signal(signal.SIGKILL)
    command.wait()
    assert_refused(lab.start(elsewhere), holder=command.process.pid)
    time.sleep(MISSED * EVERY_SECONDS)
    assert "is taken over" in lab.finish(elsewhere)
    local = lab.study("leaving", "local", training=LONG_TRAINING, execution=settings)
    lab.finish(local)
    assert differences(elsewhere, local) == []
    assert misloggings(elsewhere) == []


def steps_on(lab: StudyLab, i: int) -> set[Path]:
    """Checkpoints of runs on a node, by slot."""
    return set(lab.path.glob(f"node{i}/slots/*/run/checkpoint/step-*[0-9]"))


def step_of(name: str) -> int:
    return int(name.removeprefix("step-"))


def assert_refused(command: Started, holder: int) -> None:
    assert command.wait(SECONDS) == USER_MUST_ACT, command.stderr
    assert "another command is running the study" in command.stderr
    assert f"process {holder} on" in command.stderr
