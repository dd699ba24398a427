"""A whole lab on this machine: PostgreSQL, Prefect, MLflow, pool, deployments and worker, through crashes, without a leak.

Needs PostgreSQL's programs and the extra `postgres`; without them the first test fails with the command that installs them.
"""

from __future__ import annotations

import base64
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows.cli.embedded_server import free_port
from flows.cli.lab.credentials import LOGIN, PASSWORD, USER, read_credentials
from flows.cli.lab.lab_dir import LabDir
from tests.helpers.study_commands import clean_environment, still_alive

pytestmark = pytest.mark.slow
CONFIG = "debug/reviews"
SMALL = ("--set", "arms.full.search=null")


class RunningLab:
    """The lab of a home, and commands with its credentials."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.dir, self.port = folder, LabDir(folder / "home"), free_port()
        self.environment = clean_environment(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))

    def command(self, line: str, *, expect: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            shlex.split(line), env=self.environment | variables, cwd=self.folder, capture_output=True, text=True, timeout=900
        )
        assert ended.returncode == expect, f"{line}\n{ended.stdout}\n{ended.stderr}"
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.command(f"bertft server up --home home --port {self.port}")

    @property
    def credentials(self) -> dict[str, str]:
        return read_credentials(self.dir.credentials_path)

    @property
    def processes(self) -> dict[str, psutil.Process]:
        """The supervisor, and the process of each service by its module or program."""
        state = self.dir.state()
        assert state is not None
        supervisor = psutil.Process(state.owner.pid)
        below = supervisor.children(recursive=True)
        named = {"postgres": "/postgres -D", "prefect": "flows.cli.embedded_server", "worker": "prefect worker start"}
        lines = [(process, " ".join(process.cmdline())) for process in below]
        found = {name: [process for process, line in lines if words in line][-1] for name, words in named.items()}
        return {"supervisor": supervisor, **found}

    def until_ready(self) -> str:
        deadline = time.monotonic() + 300
        while True:
            shown = subprocess.run(
                ["bertft", "server", "status", "--home", "home"],
                env=self.environment,
                cwd=self.folder,
                capture_output=True,
                text=True,
            )
            if shown.returncode == 0:
                return shown.stdout
            assert time.monotonic() < deadline, shown.stdout
            time.sleep(2)


@pytest.fixture(scope="module")
def lab() -> Iterator[RunningLab]:
    """Up for the whole module, in a folder that every user may pass through: root's PostgreSQL runs as another one."""
    folder = Path(tempfile.mkdtemp(prefix="lab-", dir="/tmp"))
    folder.chmod(0o755)
    lab = RunningLab(folder)
    try:
        lab.up()
        yield lab
    finally:
        lab.command("bertft server down --home home")
        shutil.rmtree(folder, ignore_errors=True)


def test_all_of_it_answers_and_the_deployments_are_there(lab):
    shown = lab.until_ready()
    assert len(re.findall(r"^  (?:PostgreSQL|Prefect|MLflow) +ready\b", shown, re.MULTILINE)) == 3
    listed = lab.command("prefect deployment ls", **lab.credentials, COLUMNS="200").stdout
    assert {"run-study/run-study", "update-study/on-dataset-updated"} <= set(re.findall(r"[\w-]+/[\w-]+", listed))
    again = lab.up()
    assert "runs already" in again.stdout


def test_wrong_credentials_are_refused_as_such_before_anything_is_trained(lab):
    wrong = {LOGIN: f"{USER}:wrong", PASSWORD: "wrong-password"}
    for name, who in ((LOGIN, "Prefect"), (PASSWORD, "MLflow")):
        for value in (wrong[name], ""):
            error = lab.command(f"bertft run {CONFIG} --home mine", expect=2, **lab.credentials | {name: value}).stderr
            assert f"{who}'s server refuses the credentials" in error
            assert not value or value not in error
    assert not list((lab.folder / "mine").glob("studies/*/runs/*"))


def test_a_study_runs_through_crashes_of_every_server(lab):
    """PostgreSQL and Prefect are killed while it runs; it ends as it would have, and both come back."""
    command = ["bertft", "run", CONFIG, *SMALL, "--home", "mine"]
    with subprocess.Popen(command, env=lab.environment | lab.credentials, cwd=lab.folder, stdout=subprocess.DEVNULL) as study:
        deadline = time.monotonic() + 300
        while not list((lab.folder / "mine").glob("studies/*/runs/*/spec.json")):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        for name in ("postgres", "prefect"):
            lab.processes[name].kill()
        assert study.wait(timeout=600) == 0
    state = lab.dir.state()
    assert state is not None
    assert {"PostgreSQL", "Prefect"} <= set(state.restarts)
    lab.until_ready()
    lab.command(f"bertft run {CONFIG} {' '.join(SMALL)} --home mine", **lab.credentials)


def test_a_deployed_study_runs_on_the_worker_in_the_labs_home(lab):
    asked = f"--param config={CONFIG} --param 'overrides=[\"arms.full.search=null\"]' --watch"
    lab.command(f"prefect deployment run run-study/run-study {asked}", **lab.credentials)
    assert (lab.dir.home / "studies" / "debug-reviews" / "report" / "report.html").is_file()


def test_no_password_is_in_a_file_a_log_or_a_command_line(lab):
    passwords = [lab.credentials[LOGIN].partition(":")[2], lab.credentials[PASSWORD]]
    logins = [lab.credentials[LOGIN], f"{USER}:{lab.credentials[PASSWORD]}"]
    forms = [text.encode() for text in passwords] + [base64.b64encode(login.encode()) for login in logins]
    files = [path for path in lab.folder.rglob("*") if path.is_file() and path != lab.dir.credentials_path]
    assert len(files) >= 100
    assert any("/postgres/" in str(path) for path in files), "the databases are looked through too"
    lines = list(Path("/proc").glob("[0-9]*/cmdline"))
    assert [path for path in [*files, *lines] if any(form in _bytes(path) for form in forms)] == []


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or been removed, since
        return b""


def test_a_killed_lab_leaves_no_process_and_starts_again_with_what_it_had(lab):
    supervisor = lab.processes["supervisor"]
    below = supervisor.children(recursive=True)
    supervisor.kill()
    assert not still_alive(below, within_seconds=60)
    before = lab.credentials
    lab.up()
    assert lab.credentials == before
    shown = lab.command("prefect flow-run ls", **lab.credentials, COLUMNS="200").stdout
    assert "debug-reviews" in shown, "Prefect's runs are in PostgreSQL"


def test_down_ends_all_of_it(lab):
    supervisor = lab.processes["supervisor"]
    below = supervisor.children(recursive=True)
    lab.command("bertft server down --home home")
    assert not still_alive([supervisor, *below], within_seconds=1)
    assert "shut down" in lab.dir.log_path("PostgreSQL").read_text(), "in order, so that nothing has to be recovered"
