"""Which process does something, so that another one can tell whether it still lives: host, id, and when it began."""

import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psutil
from pydantic import ValidationError

from bertft_core.config.addresses import without_password
from bertft_core.config.base import Frozen

CLOCK_SECONDS = 2.0
"""How far two readings of a process's beginning may be apart: the kernel counts it from the start of the machine."""


class Owner(Frozen):
    """A process of bertft. An id is used again after a while, its beginning is not."""

    host: str
    pid: int
    began: float
    """Seconds since 1970."""
    since: str = ""
    """When it took what it owns; ISO 8601, UTC."""
    command: str = ""

    @property
    def is_here(self) -> bool:
        """It ran on this host: whether it lives can be seen from here."""
        return self.host == platform.node()

    @property
    def is_gone(self) -> bool:
        """It ran on this host and has ended; of another host's process nothing is known."""
        if not self.is_here:
            return False
        try:
            process = psutil.Process(self.pid)
            dead = process.status() == psutil.STATUS_ZOMBIE
            return dead or abs(process.create_time() - self.began) > CLOCK_SECONDS
        except psutil.NoSuchProcess:
            return True
        except psutil.AccessDenied:
            return False

    def words(self) -> str:
        """`process 4711 on box, since 2026-01-01T00:00:00Z: bertft run study.yaml`."""
        return f"process {self.pid} on {self.host}, since {self.since}: {self.command}"


def may_be_writing(pid: int, written: float) -> bool:
    """A process with this id runs on this host, and did so when its file was last written (seconds since 1970)."""
    try:
        return psutil.Process(pid).create_time() <= written + CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def this_process() -> Owner:
    """The process that asks."""
    program = Path(sys.argv[0]).name
    words = ["bertft" if program == "app.py" else program, *sys.argv[1:]]  # the module that the command runs
    return Owner(
        host=platform.node(),
        pid=os.getpid(),
        began=round(psutil.Process().create_time(), 2),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        command=without_password(" ".join(words))[:300],
    )


TAGS = {"host": "bertft.host", "pid": "bertft.pid", "began": "bertft.began"}
"""Field of an owner → tag of an MLflow run, or label of a Prefect flow run, that says it."""


def owner_tags() -> dict[str, str]:
    """This process as tags."""
    owner = this_process()
    return {tag: str(getattr(owner, field)) for field, tag in TAGS.items()}


def owner_in(tags: Mapping[str, object]) -> Owner | None:
    """The process that set these tags; None without them, as in older versions."""
    try:
        return Owner.model_validate({field: tags[tag] for field, tag in TAGS.items()})
    except (KeyError, ValidationError):
        return None
