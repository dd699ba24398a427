"""A lab of `bertft server` on this machine, and commands with its credentials."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from flows.cli.embedded_server import free_port
from flows.cli.lab.credentials import read_credentials
from flows.cli.lab.lab_dir import LabDir
from tests.helpers.study_commands import clean_environment
from tests.helpers.waiting import until

PROGRAMS = {"PostgreSQL": "/postgres -D", "Prefect": "flows.cli.embedded_server", "MLflow": "-m mlflow server"}
"""Service → what its command line has."""


def line_of(process: psutil.Process) -> str:
    """Its command line; nothing for one that has ended since it was listed."""
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return ""


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
    def supervisor(self) -> psutil.Process:
        """What keeps the lab running."""
        state = self.dir.state()
        assert state is not None
        return psutil.Process(state.owner.pid)

    def process(self, name: str) -> psutil.Process:
        """A service's own program, which may be starting again."""

        def found() -> list[psutil.Process]:
            return [process for process in self.supervisor.children(recursive=True) if PROGRAMS[name] in line_of(process)]

        return until(found, name)[-1]

    def service(self, name: str) -> list[psutil.Process]:
        """All processes of a service; the one that the supervisor has started comes first."""
        trees = [[child, *child.children(recursive=True)] for child in self.supervisor.children()]
        return next(tree for tree in trees if any(PROGRAMS[name] in line_of(process) for process in tree))

    def until_ready(self) -> str:
        def status() -> subprocess.CompletedProcess[str]:
            words = ["bertft", "server", "status", "--home", "home"]
            return subprocess.run(words, env=self.environment, cwd=self.folder, capture_output=True, text=True)

        def told() -> str:
            logs = sorted(self.dir.log_path("server").parent.glob("*.log"))
            ends = [f"{path.name}:\n{path.read_text()[-1000:]}" for path in (self.dir.state_path, *logs)]
            return "\n".join([status().stdout, *ends])

        until(lambda: status().returncode == 0, "the lab", 300, every=2, told=told)
        return status().stdout


@contextmanager
def running_lab() -> Iterator[RunningLab]:
    """Up for a block, in a folder that every user may pass through: root's PostgreSQL runs as another one."""
    folder = Path(tempfile.mkdtemp(prefix="lab-", dir="/tmp"))
    folder.chmod(0o755)
    lab = RunningLab(folder)
    try:
        lab.up()
        yield lab
    finally:
        lab.command("bertft server down --home home")
        shutil.rmtree(folder, ignore_errors=True)
