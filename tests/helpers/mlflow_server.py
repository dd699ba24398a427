"""MLflow's tracking server on this machine, and what it was asked."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from flows.cli.embedded_server import free_port
from tests.helpers.study_commands import clean_environment
from tests.helpers.waiting import until


class MlflowServer(NamedTuple):
    """A running server; one process, on 127.0.0.1, with its artifacts behind it."""

    uri: str
    log: Path

    def requests(self) -> list[str]:
        """`METHOD /path` of every request so far, without what comes after the question mark."""
        lines = [line.split('"')[1] for line in self.log.read_text().splitlines() if '" 200' in line]
        return [" ".join(line.partition("?")[0].split()[:2]) for line in lines]


@contextmanager
def mlflow_server(folder: Path) -> Iterator[MlflowServer]:
    """For a block."""
    server = MlflowServer(f"http://127.0.0.1:{free_port()}", folder / "log")
    port = server.uri.rpartition(":")[2]
    words = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")]
    command = [sys.executable, "-m", "mlflow", "server", "--port", port, "--workers", "1", *words]
    with server.log.open("w") as log:
        process = subprocess.Popen(command, env=clean_environment(), cwd=folder, stdout=log, stderr=log)
    try:
        until(lambda: _answers(f"{server.uri}/health"), "MLflow's server", every=0.5, told=server.log.read_text)
        yield server
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False
