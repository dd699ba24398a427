"""`bertft server up`, `status` and `down`."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.processes import ChildLog, child_environment, module_command
from bertft_core.storage.home_folder import home_dir, made_home
from bertft_core.storage.study_dir import write_record
from flows.cli.lab.credentials import credentials_of, read_credentials
from flows.cli.lab.databases import expect_databases, lab_url, missing_drivers
from flows.cli.lab.lab_dir import Lab, LabDir
from flows.cli.lab.lab_settings import lab_of
from flows.cli.lab.postgres import PROGRAMS, as_user, program
from flows.cli.lab.server_status import notified, status_command
from flows.cli.terminal import note, say

DRIVERS = ("asyncpg", "psycopg2", "flask_wtf")
LOOK_SECONDS = 0.2
DOWN_SECONDS = 180.0
PRIVATE = ("logs", "prefect", "mlflow-artifacts")


def up_command(home: Path | None, chosen: dict[str, str | int | None]) -> int:
    """Start the lab of the home and return when all of it answers; it goes on by itself. Ctrl-C meanwhile stops it again."""
    lab_dir = LabDir(made_home(home_dir(home)))
    if lab_dir.runs:
        _refuse_others(lab_dir, chosen)
        say(f"the lab of {lab_dir.home} runs already")
        return status_command(home)
    lab = lab_of(lab_dir, chosen)
    _check(lab, lab_dir)
    _make_folder(lab_dir)
    write_record(lab_dir.lab_path, lab)
    credentials_of(lab, lab_dir.credentials_path)
    lab_dir.state_path.unlink(missing_ok=True)
    try:
        _follow(lab_dir, _started(lab_dir))
    except KeyboardInterrupt:
        down_command(home)
        raise
    _say_how_to_use(lab, lab_dir)
    return 0


def _refuse_others(lab_dir: LabDir, chosen: dict[str, str | int | None]) -> None:
    """Raise `UserError` where the lab that runs was started with other options."""
    lab, wanted = lab_dir.lab(), lab_of(lab_dir, chosen)
    others = [name for name, value in chosen.items() if value is not None and getattr(lab, name, None) != getattr(wanted, name)]
    if others:
        raise UserError(
            "the lab runs already, with other options",
            code="server.other-options",
            found=", ".join(f"--{name} {getattr(lab, name, None) or '(its own)'}" for name in others),
            expected=", ".join(f"--{name} {getattr(wanted, name)}" for name in others),
            hint="stop it (bertft server down), then start it with these options",
        )


def _check(lab: Lab, lab_dir: LabDir) -> None:
    """Raise `UserError` for what is missing, before anything is started or written."""
    for name in DRIVERS:
        if importlib.util.find_spec(name) is None:
            raise missing_drivers(ModuleNotFoundError(f"No module named '{name}'"))
    if lab.database is None:
        for name in PROGRAMS:
            program(name)
        as_user()
    else:
        expect_databases(lab_url(lab_dir.postgres_dir, lab.database))
    for port in (lab.port, lab.port + 1):
        _expect_free(lab.host, port)


def _expect_free(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise UserError(
            "the lab's servers cannot listen there",
            code="server.cannot-listen",
            found=f"{host}, port {port}: {error.strerror or error}",
            expected="an address of this machine with two free ports in a row",
            hint="choose others: --port N, --host ADDRESS",
        ) from None


def _make_folder(lab_dir: LabDir) -> None:
    """For its owner only; PostgreSQL's user must pass through it where that is another one."""
    lab_dir.path.mkdir(exist_ok=True)
    lab_dir.path.chmod(0o711 if as_user() else 0o700)
    for name in PRIVATE:
        (lab_dir.path / name).mkdir(mode=0o700, exist_ok=True)


def _started(lab_dir: LabDir) -> subprocess.Popen[bytes]:
    """The process that keeps the lab running; it outlives this command."""
    with lab_dir.log_path("server").open("ab") as log:
        return subprocess.Popen(
            module_command("flows.cli.lab.supervisor", str(lab_dir.home)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=child_environment(),
            cwd=lab_dir.path,
            start_new_session=True,
        )


def _follow(lab_dir: LabDir, process: subprocess.Popen[bytes]) -> None:
    """Say what is ready until all is. Raises the `UserError` that has ended the lab."""
    log, said = ChildLog(lab_dir.log_path("server")), set[str]()
    note(f"starting the lab of {lab_dir.home} …")
    while True:
        has_ended = process.poll() is not None  # first: what it says last is read after it
        state = lab_dir.state()
        for name, seconds in ({} if state is None else state.ready).items():
            if name not in said:
                note(f"  {name:<12} ready after {seconds:.0f} s")
            said.add(name)
        if state is not None and state.problem is not None:
            process.wait()
            raise UserError(**state.problem)  # type: ignore[arg-type]
        if state is not None and state.is_up:
            return
        if has_ended:
            raise UserError(
                "the lab has ended while it started",
                code="server.ended",
                path=log.path,
                found=f"the end of its log:\n{log.last_lines()}",
                hint="fix what the log says, and start it again",
            )
        time.sleep(LOOK_SECONDS)


def _say_how_to_use(lab: Lab, lab_dir: LabDir) -> None:
    say(f"Prefect      {lab.prefect_url}")
    say(f"MLflow       {lab.mlflow_url}")
    say(f"credentials  {lab_dir.credentials_path}")
    say(f"use it       . {lab_dir.credentials_path}; bertft run CONFIG")
    say(f"notified     {notified(lab, lab_dir, read_credentials(lab_dir.credentials_path))}")
    if lab.host != "127.0.0.1":
        say(
            "warning      passwords cross the network in plain HTTP: put a proxy with TLS before it, or use ssh -L",
            file=sys.stderr,
        )


def down_command(home: Path | None) -> int:
    """Stop the lab of the home, and return when nothing of it runs any more; what it has stored stays."""
    lab_dir = LabDir(home_dir(home))
    state = lab_dir.state()
    if not lab_dir.runs:
        say(f"no lab runs in {lab_dir.home}")
        return 0
    if state is None or not state.owner.is_here or state.owner.is_gone:
        raise UserError(
            "the lab runs on another machine",
            code="server.elsewhere",
            path=lab_dir.path,
            found="not known" if state is None else state.owner.words(),
            hint="call bertft server down there",
        )
    os.kill(state.owner.pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while lab_dir.runs:
        if time.monotonic() > deadline:
            raise UserError(
                "the lab does not end",
                code="server.does-not-end",
                path=lab_dir.log_path("server"),
                found=f"{state.owner.words()}, {DOWN_SECONDS:.0f} s after SIGTERM",
                hint="look into its log; kill -9 of that process ends its services too",
            )
        time.sleep(LOOK_SECONDS)
    say(f"the lab of {lab_dir.home} has ended; its data stay in {lab_dir.path}")
    return 0
