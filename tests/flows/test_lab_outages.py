"""Each server of a lab is away for a minute while a study runs: frozen, or gone and started again. Nobody can tell afterwards."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest

from flows.cli.lab.credentials import LOGIN
from flows.cli.server_answers import basic_login
from tasks.tracking.store_files import study_tag
from tests.helpers.running_lab import RunningLab, running_lab
from tests.helpers.store_checks import differences, misloggings
from tests.helpers.study_commands import EXECUTION, LONG, Started, TinyStudy, clean_environment, write_shared

pytestmark = pytest.mark.slow
MINUTE = 60.0
SERVERS = ("Prefect", "PostgreSQL", "MLflow")
TRAINING = LONG["training"] | {"max_steps": 100, "evaluate_every_steps": 50}
SETTINGS = {"training": TRAINING, "seeds": {"n": 10}, "execution": EXECUTION | {"slots": 1, "retries": 0}}
"""More runs than end before, and while, each server is away; none has a retry to spend."""
MANY_SECONDS = 900.0


@pytest.fixture(scope="module")
def lab() -> Iterator[RunningLab]:
    with running_lab() as lab:
        write_shared(lab.folder)
        yield lab


@contextmanager
def frozen(lab: RunningLab, service: str) -> Iterator[None]:
    """Its processes answer nothing and close nothing, as when a machine swaps or its disk hangs."""
    processes = lab.service(service)
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


@contextmanager
def gone(lab: RunningLab, service: str) -> Iterator[None]:
    """Killed, and started again only afterwards: whoever keeps the lab running is kept from it meanwhile."""
    processes = lab.service(service)
    lab.supervisor.send_signal(signal.SIGSTOP)
    try:
        for process in processes:
            process.kill()
        psutil.wait_procs(processes[1:], timeout=10)
        yield
    finally:
        lab.supervisor.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("away", [frozen, gone])
def test_a_study_is_the_same_after_each_server_was_away_for_a_minute(lab, away, monkeypatch):
    lab.until_ready()
    name = f"{away.__name__}-a-minute"
    settings = SETTINGS | {"name": name}
    undisturbed = TinyStudy(lab.folder / f"un{name}", lab.folder, clean_environment(), **settings)
    assert undisturbed.start().wait(MANY_SECONDS) == 0
    study = TinyStudy(lab.folder / name, lab.folder, lab.environment | lab.credentials, **settings)
    study.tracking_uri = lab.credentials["MLFLOW_TRACKING_URI"]
    for variable, value in lab.credentials.items():
        monkeypatch.setenv(variable, value)
    command = study.start()
    for server in SERVERS:
        before = len(study.records)
        command.until(lambda n=before: len(study.records) > n, f"a run before {server} is away", MANY_SECONDS)
        with some_runs(command, study):
            with away(lab, server):
                time.sleep(MINUTE)
            lab.until_ready()
    assert command.process.poll() is None, "it ended before the last server came back"
    assert command.wait(MANY_SECONDS) == 0, command.stderr
    assert "Traceback" not in command.stderr
    lab.until_ready()
    assert len(study.records) == 10
    assert differences(study, undisturbed) == []
    assert misloggings(study) == []
    assert miscounts(lab, study) == []


@contextmanager
def some_runs(command: Started, study: TinyStudy) -> Iterator[None]:
    """One or two runs end in it; then the worker sleeps, so that a fast machine has as many left as a slow one."""
    enough, over = len(study.records) + 2, threading.Event()

    def watch() -> None:
        while len(study.records) < enough and not over.wait(0.1):
            pass
        worker.suspend()
        over.wait()
        worker.resume()

    worker = command.worker()
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def miscounts(lab: RunningLab, study: TinyStudy) -> list[str]:
    """Flow runs and task runs that Prefect lacks, has twice, or shows as anything but completed."""
    login = basic_login(lab.credentials[LOGIN])
    with httpx.Client(base_url=f"{lab.credentials['PREFECT_API_URL']}/", headers=login, timeout=60) as api:

        def found(kind: str, **wanted: Any) -> list[dict[str, Any]]:
            return list(api.post(f"{kind}/filter", json=wanted).raise_for_status().json())

        flows = found("flow_runs", flow_runs={"tags": {"all_": [study_tag(study.name)]}})  # its name is its answer by now
        tasks = found("task_runs", flow_runs={"id": {"any_": [flow["id"] for flow in flows]}})
    counts = Counter(task["name"] for task in tasks if task["task_key"].startswith("train_run"))
    wrong = [] if len(flows) == 1 else [f"{len(flows)} flow runs"]
    wrong += [
        f"{title}: {counts[title]} task runs" for title in (r.spec.title for r in study.records.values()) if counts[title] != 1
    ]
    return wrong + [f"{run['name']}: {run['state_name']}" for run in [*flows, *tasks] if run["state_type"] != "COMPLETED"]
