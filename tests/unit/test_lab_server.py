"""A lab's settings, credentials and processes, without PostgreSQL."""

from __future__ import annotations

import fcntl
import platform
import stat
import subprocess
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from bertft_core.config import UserError
from bertft_core.processes import child_environment
from bertft_core.storage.study_dir import write_record
from flows.cli.lab import running_service, server_commands, supervisor
from flows.cli.lab.credentials import LOGIN, PASSWORD, credentials_of, read_credentials
from flows.cli.lab.databases import expect_databases, lab_url
from flows.cli.lab.deployments import CREATE, DEPLOY, DEPLOYMENTS, NOTIFY, deploy
from flows.cli.lab.lab_dir import Lab, LabDir
from flows.cli.lab.lab_settings import lab_of
from flows.cli.lab.running_service import RunningService
from flows.cli.lab.server_commands import down_command, status_command
from flows.cli.lab.services import MLFLOW, WORKER, Service, client_environment, mlflow_server, prefect_server, worker
from tests.helpers.markdown import ROOT
from tests.helpers.waiting import until

NOTHING = {"host": None, "name": None, "port": None, "database": None, "artifacts": None}


@pytest.fixture
def lab_dir(tmp_path) -> LabDir:
    lab_dir = LabDir(tmp_path)
    lab_dir.path.mkdir()
    return lab_dir


def test_passwords_are_made_once_and_only_their_owner_can_read_them(lab_dir):
    lab = Lab(work_dir="/")
    made = credentials_of(lab, lab_dir.credentials_path)
    assert stat.S_IMODE(lab_dir.credentials_path.stat().st_mode) == 0o600
    assert min(len(made[PASSWORD]), len(made[LOGIN].partition(":")[2])) >= 32
    moved = credentials_of(lab.model_copy(update={"port": 5200}), lab_dir.credentials_path)
    assert (moved[LOGIN], moved[PASSWORD]) == (made[LOGIN], made[PASSWORD])
    assert moved["PREFECT_API_URL"] == "http://127.0.0.1:5200/api"
    assert read_credentials(lab_dir.credentials_path) == moved
    assert credentials_of(lab, lab_dir.path / "other.env")[PASSWORD] != made[PASSWORD]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "10.0.0.7"])
def test_no_password_is_in_a_command_line_a_setting_or_a_file_but_the_one(lab_dir, host, monkeypatch):
    monkeypatch.setenv("PREFECT_API_KEY", "a key of the user's shell")
    lab = lab_of(lab_dir, {**NOTHING, "host": host})
    credentials = credentials_of(lab, lab_dir.credentials_path)
    secrets = [credentials[LOGIN].partition(":")[2], credentials[PASSWORD]]
    services = [made(lab, lab_dir, credentials) for made in (prefect_server, mlflow_server, worker)]
    for service in services:
        shown = " ".join([repr(service), *service.words, lab.model_dump_json()])
        assert not any(secret in shown for secret in secrets)
        assert any(secret in value for secret in secrets for value in service.environment.values())
        assert "PREFECT_API_KEY" not in service.environment
    files = [path for path in lab_dir.path.rglob("*") if path.is_file() and path != lab_dir.credentials_path]
    assert [path.name for path in files] == ["mlflow-users.ini"]
    assert not any(secret in path.read_text() for path in files for secret in secrets)


def test_a_lab_remembers_its_options_and_takes_new_ones(lab_dir):
    first = lab_of(lab_dir, {**NOTHING, "port": 4300, "artifacts": "s3://bucket/mlflow"})
    lab_dir.lab_path.write_text(first.model_dump_json())
    assert (first.host, first.name, first.mlflow_url) == ("127.0.0.1", "127.0.0.1", "http://127.0.0.1:4301")
    opened = lab_of(lab_dir, {**NOTHING, "host": "0.0.0.0"})
    assert opened.name == platform.node(), "what clients cannot call is no name"
    assert lab_of(lab_dir, {**NOTHING, "host": "0.0.0.0", "name": "lab.example.org"}).prefect_url.startswith(
        "http://lab.example.org:"
    )
    assert lab_of(lab_dir, {**NOTHING, "artifacts": "kept"}).artifacts == str(Path.cwd() / "kept")


def test_a_client_on_this_machine_calls_an_address_that_is_there(lab_dir):
    for host, called in (("0.0.0.0", "127.0.0.1"), ("10.0.0.7", "10.0.0.7")):
        lab = Lab(work_dir="/", host=host, name="lab.example.org")
        variables = client_environment(lab, lab_dir, {})
        assert variables["MLFLOW_TRACKING_URI"] == f"http://{called}:4201"


def test_the_own_postgresql_has_no_password_and_no_port(lab_dir):
    url = lab_url(lab_dir.postgres_dir, None)
    assert (url.host, url.port, url.password, url.query["host"]) == (None, None, None, str(lab_dir.postgres_dir))


def test_a_postgresql_that_does_not_run_is_named_with_the_reason_and_not_with_the_question_after_it(lab_dir):
    pytest.importorskip("psycopg2")
    lab_dir.postgres_dir.mkdir()
    with pytest.raises(UserError, match="PostgreSQL does not answer") as error:
        expect_databases(lab_url(lab_dir.postgres_dir, None))
    assert "No such file or directory" in str(error.value)
    assert "Is the server running" not in str(error.value)


def test_the_deployments_are_those_of_the_repository():
    assert DEPLOYMENTS.resolve() == ROOT / "prefect.yaml"


@pytest.mark.parametrize("failing", [None, CREATE, DEPLOY, NOTIFY])
def test_only_a_pool_may_be_there_already(lab_dir, monkeypatch, failing):
    lab = lab_of(lab_dir, NOTHING)

    def run(command: list[str], **_: object) -> SimpleNamespace:
        fails = failing is not None and command[-len(failing) :] == list(failing)
        return SimpleNamespace(returncode=int(fails), stdout="", stderr="the automation already exists and cannot be changed")

    monkeypatch.setattr("subprocess.run", run)
    refusal = nullcontext() if failing in (None, CREATE) else pytest.raises(UserError, match="cannot be made")
    with refusal:
        deploy(lab, lab_dir, credentials_of(lab, lab_dir.credentials_path))


def test_without_a_lab_the_commands_say_so(tmp_path, capsys):
    assert status_command(tmp_path) == 1
    assert down_command(tmp_path) == 0
    assert "there is no lab" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [], "asking makes nothing"


def test_a_service_that_ends_is_started_again_and_a_stopped_one_leaves_nothing(lab_dir, monkeypatch):
    monkeypatch.setattr(running_service, "LONGEST_PAUSE_SECONDS", 0.2)
    service = Service("sleep", "flows.cli.child_process", ["sleep", "600"], child_environment())
    running = RunningService(service, lab_dir)
    running.start()
    (first,) = _children(running)
    assert not running.started_again()
    psutil.Process(first.ppid()).kill()
    until(running.started_again)
    assert running.restarts == 1
    (second,) = _children(running)
    running.stop()
    assert not second.is_running()
    assert running.ended


@pytest.mark.parametrize(("name", "goes_on"), [(MLFLOW, False), (WORKER, True)])
def test_what_a_killed_server_has_left_ends_before_it_is_started_again_and_a_study_goes_on(lab_dir, monkeypatch, name, goes_on):
    """MLflow's web server would keep the port, so that no next one starts."""
    monkeypatch.setattr(running_service, "LONGEST_PAUSE_SECONDS", 0.2)
    command = ["sh", "-c", "sleep 600 & echo $!; wait"]
    running = RunningService(Service(name, "flows.cli.child_process", command, child_environment()), lab_dir)
    running.start()
    left = until(lambda: [each for child in _children(running) for each in child.children()])[0]
    left.parent().kill()
    until(running.started_again)
    if goes_on:
        assert left.status() == psutil.STATUS_SLEEPING
        left.kill()
    until(lambda: _has_ended(left))
    running.stop()


def test_a_lab_that_is_stopped_leaves_nothing_of_a_service_that_had_ended(lab_dir):
    command = ["sh", "-c", "sleep 600 & echo $!; wait"]
    running = RunningService(Service(WORKER, "flows.cli.child_process", command, child_environment()), lab_dir)
    running.start()
    left = until(lambda: [each for child in _children(running) for each in child.children()])[0]
    left.parent().kill()
    until(lambda: running.ended)
    running.stop()
    until(lambda: _has_ended(left))


def _has_ended(process: psutil.Process) -> bool:
    """Its parent, which has ended too, may not have taken note yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("chosen", [{}, {"port": 4200}, {"host": "127.0.0.1", "artifacts": "kept"}])
def test_a_lab_that_runs_is_looked_at_when_it_is_started_with_the_options_it_has(lab_dir, monkeypatch, capsys, chosen):
    write_record(lab_dir.lab_path, lab_of(lab_dir, NOTHING | {"artifacts": "kept"}))
    monkeypatch.setattr(LabDir, "runs", True)
    monkeypatch.setattr(server_commands, "status_command", lambda home: 0)
    assert server_commands.up_command(lab_dir.home, NOTHING | chosen) == 0
    assert "runs already" in capsys.readouterr().out


class Seen(psutil.Process):
    """A process that ran when it was looked at."""

    def is_running(self) -> bool:
        return True


def test_a_process_that_ends_while_its_service_is_stopped_is_no_error(lab_dir, monkeypatch):
    with subprocess.Popen(["sleep", "600"]) as process:
        gone = Seen(process.pid)
        process.kill()
    monkeypatch.setattr(running_service, "_below", lambda _: [gone])
    monkeypatch.setattr(psutil, "wait_procs", lambda processes, timeout: ([], processes))
    running = RunningService(Service("sleep", "flows.cli.child_process", ["sleep", "600"], child_environment()), lab_dir)
    running.start()
    running.stop()
    assert running.ended


def _children(running: RunningService) -> list[psutil.Process]:
    assert running._process is not None
    process = psutil.Process(running._process.pid)
    until(process.children)
    return process.children()


def test_a_lab_runs_while_its_lock_is_held(lab_dir):
    assert not lab_dir.runs
    with LabDir(lab_dir.home).lock:
        held = LabDir(lab_dir.home)
        assert held.runs
    assert not lab_dir.runs


def test_a_lab_starts_while_somebody_asks_whether_it_runs(lab_dir, monkeypatch):
    lab = lab_of(lab_dir, NOTHING)
    write_record(lab_dir.lab_path, lab)
    credentials_of(lab, lab_dir.credentials_path)
    asking = (lab_dir.path / "lock").open("w+b")
    fcntl.flock(asking, fcntl.LOCK_SH)
    assert not lab_dir.runs, "two that ask do not take each other for the lab"
    monkeypatch.setattr("time.sleep", lambda seconds: asking.close())
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr(supervisor.Supervisor, "run", lambda self: 0 if LabDir(lab_dir.home).runs else 1)
    assert supervisor.main(str(lab_dir.home)) == 0
