"""`deploy/postgres.sql` on a real PostgreSQL with passwords, and what a lab says of it. Needs Debian's `postgresql`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bertft_core.config import UserError
from flows.cli.embedded_server import free_port
from flows.cli.lab.databases import expect_databases, lab_url
from flows.cli.lab.postgres import as_user, program, stop_server
from tests.helpers.markdown import ROOT

pytestmark = pytest.mark.slow
PASSWORD = "open-sesame"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a PostgreSQL on a port, which asks everybody for a password; for root, of another user."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    (folder / "password").write_text("of-the-administrator")
    for path in (folder, folder / "password") if as_user() else ():
        shutil.chown(path, "postgres", "postgres")
    made = ["-D", folder / "data", "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}"]
    _ran([*as_user(), program("initdb"), *made])
    port = free_port()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    start = ["start", "-D", folder / "data", "-w", "-t", "300", "-l", folder / "log", "-o", options]
    try:
        _ran([*as_user(), program("pg_ctl"), *start])
        yield f"127.0.0.1:{port}"
    finally:
        stop_server(folder / "data")
        shutil.rmtree(folder)


def _ran(command: list[object], **variables: str) -> str:
    words = list(map(str, command))
    ended = subprocess.run(
        words,
        env=os.environ | variables,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert ended.returncode == 0, f"{words}\n{ended.stdout}"
    return ended.stdout


def _refusal(url: str) -> UserError:
    with pytest.raises(UserError) as refused:
        expect_databases(lab_url(Path(), url))
    return refused.value


def test_the_file_makes_what_a_lab_needs_and_can_be_called_again(server, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    url = f"postgresql://bertft@{server}"
    assert _refusal(url).code == "server.wrong-database-credentials"
    host, _, port = server.partition(":")
    psql = [program("psql"), "--host", host, "--port", port, "--username", "postgres", "--set", "ON_ERROR_STOP=1"]
    for _ in range(2):
        made = [*psql, "--set", f"password={PASSWORD}", "--file", ROOT / "deploy" / "postgres.sql"]
        _ran(made, PGPASSWORD="of-the-administrator")
    expect_databases(lab_url(Path(), url))
    monkeypatch.setenv("PGPASSWORD", "wrong")
    assert _refusal(url).code == "server.wrong-database-credentials"
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    _ran([*psql, "--command", "DROP DATABASE mlflow"], PGPASSWORD="of-the-administrator")
    assert _refusal(url).code == "server.no-database"


def test_the_sql_of_compose_makes_the_databases_with_the_password_of_the_container(server, tmp_path, monkeypatch):
    content = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["configs"]["databases"]["content"]
    assert "/sql/postgres.sql" in content
    script = tmp_path / "databases.sql"
    script.write_text(content.replace("/sql/postgres.sql", str(ROOT / "deploy" / "postgres.sql")))
    host, _, port = server.partition(":")
    options = ["--set", "ON_ERROR_STOP=1", "--no-password", "--no-psqlrc", "--dbname", "postgres"]  # as in the image `postgres`
    psql = [program("psql"), "--host", host, "--port", port, "--username", "postgres", *options]
    _ran([*psql, "--file", script], PGPASSWORD="of-the-administrator", POSTGRES_PASSWORD="of-the-container")
    monkeypatch.setenv("PGPASSWORD", "of-the-container")
    expect_databases(lab_url(Path(), f"postgresql://bertft@{server}"))


def test_a_server_that_is_not_there_is_reported_as_that():
    assert _refusal(f"postgresql://bertft@127.0.0.1:{free_port()}").code == "server.no-database-server"
