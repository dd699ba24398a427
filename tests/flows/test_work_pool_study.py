"""A whole study by `bertft run` on a process worker of a real Prefect server is the study of this machine, whatever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.helpers.store_checks import differences, misloggings
from tests.helpers.study_commands import EXECUTION, LONG, Started, TinyStudy
from tests.helpers.waiting import PATIENCE_SECONDS, becomes

pytestmark = pytest.mark.slow
POOL = "runs"
LONG_TRAINING = LONG["training"] | {"max_steps": 3000, "evaluate_every_steps": 500}
"""Long enough that what carries a run out is killed in the middle of it."""
MANY_SECONDS = 3 * PATIENCE_SECONDS
"""Every flow run costs half a minute of two busy cores before it trains."""


class PoolLab:
    """A pool, its worker, and studies that share data; nodes have a folder of their own."""

    def __init__(self, folder: Path, shared: Path, environment: dict[str, str]) -> None:
        self.folder, self.shared, self.environment = folder, shared, environment
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.of_worker = environment | {
            "BERTFT_NODE_HOME": str(folder / "node"),
            "PREFECT_HOME": str(folder / "worker"),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PATH": path,
        }
        self._workers: list[psutil.Popen] = []
        self.api = httpx.Client(base_url=f"{environment['PREFECT_API_URL']}/", timeout=30)

    def start_worker(self) -> None:
        """Have one, where none is running."""
        if self._workers:
            return
        with (self.folder / "worker.log").open("ab") as log:
            words = ["prefect", "worker", "start", "--pool", POOL, "--limit", "2"]
            worker = psutil.Popen(words, env=self.of_worker, cwd=self.folder, stdout=log, stderr=log, start_new_session=True)
        self._workers.append(worker)

    def kill_workers(self) -> None:
        """With all that they have started."""
        for worker in [worker for worker in self._workers if worker.is_running()]:
            below = worker.children(recursive=True)
            for process in [worker, *below]:
                process.kill()
            psutil.wait_procs([worker, *below], timeout=10)
        self._workers.clear()

    def engines(self) -> list[psutil.Process]:
        """The processes of flow runs."""
        below = [child for worker in self._workers for child in worker.children(recursive=True)]
        return [process for process in below if "prefect.engine" in command_of(process)]

    def study(self, name: str, engine: str, **changes: Any) -> TinyStudy:
        execution = EXECUTION | changes.pop("execution", {})
        if engine == "work_pool":
            store = f"file://{self.folder / 'store' / name}"
            execution |= {"engine": engine, "address": POOL, "store": store, "upload_every_seconds": 0.5}
        folder = self.folder / f"{name}-{engine}"
        return TinyStudy(folder, self.shared, self.environment, **changes, name=name, execution=execution)

    def has_state(self, name: str, since: float = 0.0) -> bool:
        """A run of the study has stored a state since then."""
        stored = (self.folder / "store" / name / "state").glob("*/manifest.json")
        return any(path.stat().st_mtime > since for path in stored)

    def states(self, name: str) -> list[str]:
        """Of the flow runs that a study has submitted."""
        wanted = {"flow_runs": {"tags": {"all_": [f"study:{name}"]}}, "flows": {"name": {"any_": ["run-one"]}}}
        runs = self.api.post("flow_runs/filter", json=wanted).raise_for_status().json()
        return sorted(run["state_type"] for run in runs)

    def n_open(self, name: str) -> int:
        """Flow runs that have not ended."""
        return sum(state in ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING") for state in self.states(name))

    @property
    def log(self) -> str:
        return (self.folder / "worker.log").read_text()


@pytest.fixture(scope="module")
def lab(server_environment, shared, tmp_path_factory) -> Iterator[PoolLab]:
    lab = PoolLab(tmp_path_factory.mktemp("pool"), shared, server_environment)
    create = ["prefect", "work-pool", "create", POOL, "--type", "process"]
    subprocess.run(create, env=lab.of_worker, cwd=lab.folder, check=True, capture_output=True, timeout=PATIENCE_SECONDS)
    try:
        yield lab
    finally:
        lab.kill_workers()
        lab.api.close()


def command_of(process: psutil.Process) -> list[str]:
    """Nothing for one that has ended."""
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


def ended(command: Started, lab: PoolLab) -> str:
    code = command.process.wait(MANY_SECONDS)
    assert code == 0, f"{command.stderr}\n{lab.log}"
    assert "Traceback" not in command.stderr, command.stderr
    return command.stderr


def test_a_pool_that_is_not_there_or_has_no_worker_is_refused(lab):
    study = lab.study("refused", "work_pool")
    refused = study.run("--set", "execution.address=nobody", expect=2).stderr
    assert "there is no such work pool" in refused
    refused = study.run(expect=2).stderr
    assert "the work pool runs has no worker" in refused
    assert f"prefect worker start --pool {POOL}" in refused
    assert study.records == {}


def test_a_study_on_a_pool_is_that_of_this_machine_also_when_what_carries_it_out_is_killed(lab):
    """First the process of one flow run, which the worker reports; then the worker too, of which nobody reports anything."""
    settings = {"retries": 0, "checkpoint_every_steps": 50, "slots": 1}
    studies = {engine: lab.study("long", engine, training=LONG_TRAINING, execution=settings) for engine in ("local", "work_pool")}
    study = studies["work_pool"]
    lab.start_worker()
    command = study.start()
    command.until(lambda: lab.has_state("long"), "a stored state", MANY_SECONDS)
    lab.engines()[0].send_signal(signal.SIGKILL)
    command.until(lambda: lab.states("long") == ["CRASHED", "RUNNING"], "the flow run that goes on", MANY_SECONDS)
    resubmitted = time.time()
    command.until(lambda: lab.has_state("long", since=resubmitted), "a further state", MANY_SECONDS)
    lab.kill_workers()
    killed = time.monotonic()
    command.until(lambda: lab.states("long") == ["CRASHED", "CRASHED", "SCHEDULED"], "the loss of the worker", MANY_SECONDS)
    assert time.monotonic() - killed < 180
    assert "waiting for a node (0 of 1 runs have one)" in command.stderr
    lab.start_worker()
    ended(command, lab)
    ended(studies["local"].start(), lab)
    assert differences(study, studies["local"]) == []
    assert misloggings(study) == []
    assert lab.states("long") == ["COMPLETED", "COMPLETED", "CRASHED", "CRASHED"]
    assert sorted(record.attempts for record in study.records.values()) == [1, 3]
    assert not list((lab.folder / "store" / "long" / "mail").glob("*/*"))


def test_a_command_that_is_stopped_or_killed_leaves_no_flow_run_open(lab):
    study = lab.study("left", "work_pool", training=LONG_TRAINING, execution={"slots": 1, "checkpoint_every_steps": 50})
    lab.start_worker()
    command = study.start()
    command.until(lambda: lab.has_state("left"), "a stored state", MANY_SECONDS)
    command.process.send_signal(signal.SIGKILL)
    command.wait()
    assert "RUNNING" in lab.states("left")
    command = study.start()
    # cancelled by the command; what it had carried out may still say how it ended
    command.until(lambda: len(lab.states("left")) == 2 and lab.n_open("left") == 1, "the next flow run alone", MANY_SECONDS)
    command.process.send_signal(signal.SIGINT)
    command.wait()
    assert lab.n_open("left") == 0
    assert becomes(lambda: not lab.engines(), 60), "they notice within seconds"
