"""Refusals of a lab: what `bertft server` needs from the machine, from PostgreSQL and from its own folder."""

import io
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from bertft_core.config import UserError
from bertft_core.storage.study_dir import write_record
from flows.cli.lab import databases, deployments, postgres, server_commands
from flows.cli.lab.credentials import read_credentials
from flows.cli.lab.lab_dir import Lab, LabDir, LabState
from flows.cli.lab.running_service import RunningService
from flows.cli.lab.services import MLFLOW, Service
from flows.cli.notify_command import notify_command, read_webhook
from tasks.process_identity import Owner
from tests.helpers.refusals.refusal import Refusal, raising

DATABASE = "postgresql://bertft@db.example.org"
ELSEWHERE = Owner(host="box", pid=4711, began=0.0, since="2026-01-01T00:00:00Z", command="bertft server up")


def _with(module: object, call: Callable[[Path], object], **changes: object) -> Callable[[Path], None]:
    """A call while names of a module are something else."""

    def refused(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in changes.items():
                patch.setattr(module, name, value)
            call(folder)

    return refused


def _up(**chosen: Any) -> Callable[[Path], object]:
    return lambda folder: server_commands.up_command(folder / "lab", {"database": None, **chosen})


def _refused_by_postgres(reason: str) -> Callable[[Path], None]:
    error = OperationalError("", None, Exception(f"connection to server failed: {reason}"))
    return _with(databases, lambda _: databases.expect_databases(databases.lab_url(Path(), DATABASE)), _connected=raising(error))


def _credentials(text: str, mode: int) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        path = folder / "credentials.env"
        path.write_text(text)
        path.chmod(mode)
        return read_credentials(path)

    return read


def _webhook(address: str) -> Callable[[Path], object]:
    def read(_: Path) -> object:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdin", io.StringIO(address))
            return read_webhook()

    return read


def _port_in_use(_: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        try:
            server_commands._expect_free("127.0.0.1", taken.getsockname()[1])
        except UserError as error:
            port = str(taken.getsockname()[1])
            raise UserError(**error.fields | {"found": error.found.replace(port, "4200") if error.found else None}) from None


def _ended_service(folder: Path) -> None:
    service = RunningService(Service(MLFLOW, "flows.cli.child_process", [], {}), LabDir(folder))
    raise service.failure("it exited with code 1")


def _failed_deployment(folder: Path) -> None:
    lab = Lab(work_dir=str(folder))
    failed = subprocess.CompletedProcess([], 1, "", "Unable to read prefect.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deployments.subprocess, "run", lambda *_, **__: failed)
        patch.setattr(deployments, "DEPLOY", ("deploy", "--all"))
        deployments.deploy(lab, LabDir(folder), {})


def _started_and_gone(folder: Path) -> None:
    lab_dir = LabDir(folder)
    lab_dir.log_path("server").parent.mkdir(parents=True)
    server_commands._follow(lab_dir, SimpleNamespace(poll=lambda: 1))  # type: ignore[arg-type]


def _running(owner: Owner) -> Callable[[Path], None]:
    """`down` of a lab that goes on."""

    def refused(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LabDir, "runs", True)
            patch.setattr(LabDir, "state", lambda _: LabState(owner=owner))
            patch.setattr(Owner, "is_gone", False)
            patch.setattr(server_commands.os, "kill", lambda *_: None)
            patch.setattr(server_commands, "DOWN_SECONDS", 0.0)
            server_commands.down_command(folder)

    return refused


def _up_again(folder: Path) -> None:
    """`up` of a lab that goes on, with another port."""
    lab_dir = LabDir(folder)
    lab_dir.path.mkdir()
    write_record(lab_dir.lab_path, Lab(work_dir="/"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LabDir, "runs", True)
        server_commands.up_command(folder, {"port": 5200, "artifacts": "s3://bucket/artifacts"})


def _here() -> Owner:
    import platform

    return ELSEWHERE.model_copy(update={"host": platform.node()})


NO_INITDB = SimpleNamespace(run=lambda *_, **__: subprocess.CompletedProcess([], 1, "", "initdb: error: no space left"))
CLOSED = SimpleNamespace(run=lambda *_, **__: subprocess.CompletedProcess([], 1))

ROWS = (
    Refusal("server.no-drivers", call=_with(server_commands.importlib.util, _up(), find_spec=lambda _: None)),
    Refusal(
        "server.no-postgresql",
        call=_with(
            postgres, lambda _: postgres.program("initdb"), DEBIAN=Path("/nowhere"), shutil=SimpleNamespace(which=lambda _: None)
        ),
    ),
    Refusal(
        "server.root",
        call=_with(
            postgres,
            lambda _: postgres.as_user(),
            os=SimpleNamespace(geteuid=lambda: 0),
            pwd=SimpleNamespace(getpwnam=raising(KeyError("postgres"))),
        ),
    ),
    Refusal(
        "server.path-too-long",
        call=_with(
            postgres,
            lambda folder: postgres.checked_folder(folder),
            os=SimpleNamespace(fsencode=lambda _: b"/" * 120),
        ),
        place=".",
    ),
    Refusal(
        "server.out-of-reach",
        call=_with(
            postgres,
            lambda folder: postgres.checked_folder(folder / "postgres"),
            as_user=lambda: ["setpriv"],
            MAX_SOCKET_BYTES=999,
            subprocess=CLOSED,
        ),
        place=".",
    ),
    Refusal(
        "server.initdb",
        call=_with(
            postgres,
            lambda folder: postgres.make_cluster(folder / "postgres"),
            as_user=lambda: [],
            program=Path,
            subprocess=NO_INITDB,
        ),
        place="postgres",
    ),
    Refusal("server.database-address", call=_up(database="mysql://db.example.org/mlflow")),
    Refusal("server.password-in-address", call=_up(database="postgresql://bertft:secret@db.example.org")),
    Refusal("server.password-in-artifacts", call=_up(artifacts="s3://key:secret@bucket/artifacts")),
    Refusal(
        "server.wrong-database-credentials", call=_refused_by_postgres('FATAL:  password authentication failed for user "bertft"')
    ),
    Refusal("server.no-database", call=_refused_by_postgres('FATAL:  database "prefect" does not exist')),
    Refusal("server.no-database-server", call=_refused_by_postgres("Connection refused")),
    Refusal("server.exposed-credentials", call=_credentials("", 0o644), place="credentials.env"),
    Refusal(
        "server.incomplete-credentials",
        call=_credentials("export PREFECT_API_AUTH_STRING=bertft:x\n", 0o600),
        place="credentials.env",
    ),
    Refusal("notify.no-server", call=_with(os, lambda _: notify_command(), environ={})),
    Refusal("notify.no-address", call=_webhook("hooks.example.org/secret\n")),
    Refusal("server.cannot-listen", call=_port_in_use),
    Refusal("server.other-options", call=_up_again),
    Refusal("server.service-does-not-start", call=_ended_service, place="server/logs/MLflow.log"),
    Refusal("server.deployments", call=_failed_deployment),
    Refusal("server.ended", call=_started_and_gone, place="server/logs/server.log"),
    Refusal("server.elsewhere", call=_running(ELSEWHERE), place="server"),
    Refusal("server.does-not-end", call=_running(_here()), place="server/logs/server.log"),
)
