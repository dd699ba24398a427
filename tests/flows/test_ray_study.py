"""A whole study by `bertft run` on a Ray cluster is the study of one machine, whatever becomes of nodes and driver."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from bertft_core.config import load_study
from tests.helpers.ray_lab import START_SECONDS, RayLab, ray_lab
from tests.helpers.store_checks import differences, misloggings
from tests.helpers.study_commands import LONG, WHOLE, Started, TinyStudy, clean_environment, write_shared
from tests.helpers.waiting import becomes

pytestmark = pytest.mark.slow
SECONDS = 3 * START_SECONDS
"""For a command with its own Prefect server beside a cluster, on two busy cores."""
LONG_TRAINING = LONG["training"] | {"max_steps": 3000, "evaluate_every_steps": 500}
"""Long enough that a node dies, and then the driver, in the middle of a run."""


class Lab(RayLab):
    """With what studies share, and the commands over them; nodes see nothing of it."""

    def study(self, name: str, engine: str, **changes: Any) -> TinyStudy:
        shared = self.path / "driver" / "shared"
        if not shared.exists():
            shared.mkdir()
            write_shared(shared)
        execution = {"device": "cpu", "kernels": "mkl", "slots": 2} | changes.pop("execution", {})
        if engine == "ray":
            execution |= {"engine": "ray", "address": self.address, "store": f"{self.store}/{name}", "upload_every_seconds": 0.5}
        folder = self.path / "driver" / f"{name}-{engine}"
        return TinyStudy(folder, shared, clean_environment() | self.variables, **changes, execution=execution)

    def start(self, study: TinyStudy) -> Started:
        words = ["-m", "flows.cli.app", "run", str(study.config), "--home", str(study.home)]
        return Started([*self.beside_head, sys.executable, *words], study.environment, study.config.parent / "stderr.txt")

    def finish(self, study: TinyStudy) -> str:
        """Run it to its end; what it wrote to stderr."""
        return ended(self.start(study))

    @property
    def workers(self) -> list[int]:
        return [pid for i in range(1, self.n_nodes + 1) for pid in self.workers_in(i)]


def ended(command: Started) -> str:
    code = command.process.wait(SECONDS)
    assert code == 0, command.stderr
    assert "Traceback" not in command.stderr, command.stderr
    return command.stderr


@pytest.fixture(scope="module")
def lab():
    with ray_lab(2, kind=Lab) as lab:
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
    stored = Path(lab.store.removeprefix("file://")) / "long" / "state"
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
