"""A whole study by `bertft run` on a Ray cluster is the study of one machine, whatever becomes of nodes and driver."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bertft_core.config import load_study
from tests.helpers.ray_lab import START_SECONDS, ray_lab
from tests.helpers.ray_studies import SECONDS, StudyLab, ended
from tests.helpers.store_checks import differences, misloggings
from tests.helpers.study_commands import LONG, WHOLE
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
