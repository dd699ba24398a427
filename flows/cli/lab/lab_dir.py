"""A lab's folder: what was chosen when it was set up, what runs, and where everything lies. No record of it holds a secret."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from filelock import FileLock

from bertft_core.config.base import Frozen
from bertft_core.storage.study_dir import read_record
from tasks.process_identity import Owner
from tasks.study_lock import is_locked

LOOPBACK = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::")
"""Addresses that mean every network of the machine, and that no client can call."""


class Lab(Frozen):
    """What a lab was set up with; the next `up` takes the same."""

    host: str = LOOPBACK
    """Address that the servers listen on."""
    name: str = LOOPBACK
    """Name or address by which clients reach this machine."""
    port: int = 4200
    """Of Prefect; MLflow has the next one."""
    database: str | None = None
    """URL of a PostgreSQL of the user's, without database and password; None for one of the lab's own."""
    artifacts: str | None = None
    """Where MLflow's server keeps artifacts: a folder or a URL; None for the lab's own folder."""
    work_dir: str
    """Where deployed runs start: the folder in which `up` was called."""

    @property
    def prefect_url(self) -> str:
        return f"http://{_in_url(self.name)}:{self.port}"

    @property
    def mlflow_url(self) -> str:
        return f"http://{_in_url(self.name)}:{self.port + 1}"


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class LabState(Frozen):
    """What the process that keeps a lab running has reached."""

    owner: Owner
    ready: dict[str, float] = {}
    """Service → seconds from the start of the lab to its first answer."""
    restarts: dict[str, int] = {}
    """Service → how often it was started again."""
    is_up: bool = False
    """Every service has answered, and the deployments are there."""
    problem: dict[str, str | int | None] | None = None
    """The fields of the `UserError` that has ended it."""


@dataclass(frozen=True)
class LabDir:
    """The folder `server` of a home."""

    home: Path

    @cached_property
    def path(self) -> Path:
        return self.home / "server"

    @cached_property
    def lab_path(self) -> Path:
        return self.path / "lab.json"

    @cached_property
    def state_path(self) -> Path:
        return self.path / "state.json"

    @cached_property
    def credentials_path(self) -> Path:
        return self.path / "credentials.env"

    @cached_property
    def postgres_dir(self) -> Path:
        return self.path / "postgres"

    def log_path(self, service: str) -> Path:
        """The log of one service."""
        return self.path / "logs" / f"{service}.log"

    def lab(self) -> Lab | None:
        """What the lab was set up with; None where there is none."""
        return read_record(self.lab_path, Lab)

    def state(self) -> LabState | None:
        """What was last said of the lab; it may have ended since."""
        return read_record(self.state_path, LabState)

    @cached_property
    def lock(self) -> FileLock:
        """Held by the process that keeps the lab running, for as long as it does."""
        return FileLock(self.path / "lock")

    @property
    def runs(self) -> bool:
        """A process keeps this lab running."""
        return is_locked(self.path / "lock")
