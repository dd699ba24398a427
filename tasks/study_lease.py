"""A study's lease: its lock between machines, a small record in a place that they share, renewed while a command works.

Leases of a study are numbered. Whoever wants one makes the next number, and a place gives each number to one command only; so of
two that take over an abandoned lease, one is refused, and a command that slept meanwhile finds a higher number and stops.
"""

from __future__ import annotations

import getpass
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from bertft_core.config import UserError
from bertft_core.config.addresses import shown
from bertft_core.config.base import Frozen
from bertft_core.storage.study_dir import read_record, write_record
from tasks.process_identity import Owner, this_process

EVERY_SECONDS = 10.0
MISSED = 6
"""So many heartbeats late, a lease is taken to be abandoned. Clocks of machines may differ by less than that."""
KEPT_FILE = "lease.json"
"""In a study's folder: the lease that its last command had."""


class Lease(Frozen):
    """Who works on a study, and since when nothing was heard of them."""

    n: int
    token: str
    """Of the command that made it."""
    owner: Owner
    user: str
    beat: float
    """Time of the last heartbeat, seconds since 1970."""
    every_seconds: float
    has_ended: bool = False

    @property
    def silent_seconds(self) -> float:
        return max(0.0, time.time() - self.beat)

    @property
    def is_abandoned(self) -> bool:
        return self.silent_seconds > MISSED * self.every_seconds

    def words(self) -> str:
        """`ada, process 4711 on box, since …: bertft run study.yaml; last heartbeat 2026-01-01T00:00:00+00:00, 7 s ago`."""
        beat = datetime.fromtimestamp(self.beat, UTC).isoformat(timespec="seconds")
        return f"{self.user}, {self.owner.words()}; last heartbeat {beat}, {self.silent_seconds:.0f} s ago"


class LeasePlace(Protocol):
    """Where the leases of one study are kept, for all machines to see. Methods raise what its library raises."""

    name: str
    """To be shown."""

    def newest(self) -> Lease | None:
        """The lease with the highest number."""

    def claim(self, lease: Lease) -> bool:
        """Make a lease whose number nobody has; False where somebody has it."""

    def renew(self, lease: Lease) -> None:
        """Write one's own lease again."""


class StudyLease:
    """One command's lease at one place, renewed by a thread until `end`."""

    def __init__(
        self,
        place: LeasePlace,
        folder: Path,
        token: str,
        *,
        tell: Callable[[str], object],
        on_loss: Callable[[], object],
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        """`folder` is the study's, whose local lock this process holds; `token` is this command's; a thread calls `on_loss`.

        Raises `UserError` where another command has the lease, and what the place raises.
        """
        self._place, self._kept, self._tell, self._on_loss = place, folder / KEPT_FILE, tell, on_loss
        self._lost_to: Lease | None = None
        self._ending = threading.Event()
        self._lease = self._taken(folder.name, token, every_seconds)
        write_record(self._kept, self._lease)
        self._thread = threading.Thread(target=self._beat, name="study-lease", daemon=True)
        self._thread.start()

    def _taken(self, study: str, token: str, every_seconds: float) -> Lease:
        found = self._place.newest()
        if found is not None and not found.has_ended:
            if not (found.is_abandoned or self._is_of_this_folder(found)):
                raise taken(study, found, self._place.name)
            self._tell(f"the lease of {found.words()} is taken over")
        n = 1 if found is None else found.n + 1
        lease = Lease(n=n, token=token, owner=this_process(), user=user_name(), beat=time.time(), every_seconds=every_seconds)
        if not self._place.claim(lease):
            raise taken(study, self._place.newest(), self._place.name)
        return lease

    def _is_of_this_folder(self, found: Lease) -> bool:
        """An earlier command of this very folder made it, which has ended, since this one holds the folder's lock."""
        kept = read_record(self._kept, Lease)
        return kept is not None and kept.token == found.token

    def _beat(self) -> None:
        is_away = False
        while not self._ending.wait(self._lease.every_seconds):
            try:
                if (other := self._look()) is not None:
                    self._tell(f"the study is continued by {other.words()}: this command stops")
                    self._on_loss()
                    return
                self._lease = self._lease.model_copy(update={"beat": time.time()})
                self._place.renew(self._lease)
                is_away = False
            except Exception as error:  # training goes on; whoever takes over meanwhile is seen when the place is back
                if not is_away:
                    self._tell(f"the lease of the study in {self._place.name} cannot be renewed: {shown(error)}")
                is_away = True

    def _look(self) -> Lease | None:
        """The lease of another command that has taken this one over."""
        newest = self._place.newest()
        if newest is not None and newest.token != self._lease.token:
            self._lost_to = newest
        return self._lost_to

    def expect_held(self) -> None:
        """Raise `UserError` where another command has taken the lease over."""
        if self._lost_to is not None:
            raise lost(self._kept.parent.name, self._lost_to, self._place.name)

    def end(self) -> None:
        """Say that this command works on the study no more."""
        self._ending.set()
        self._thread.join()
        if self._lost_to is not None:
            return
        try:
            if self._look() is None:  # this machine may have slept since the last heartbeat
                self._place.renew(self._lease.model_copy(update={"beat": time.time(), "has_ended": True}))
        except Exception as error:  # the next command of this folder knows that it has ended; others wait for it
            self._tell(f"the lease of the study in {self._place.name} cannot be given back: {shown(error)}")


def taken(study: str, holder: Lease | None, place: str) -> UserError:
    """Another command has the lease; to be raised."""
    late = "" if holder is None else f" of {MISSED * holder.every_seconds:.0f} s"
    return UserError(
        f"another command is running the study '{study}'",
        code="study.leased",
        found=f"in {place}, its lease is held by {'a process that is not known' if holder is None else holder.words()}",
        expected="one command at a time on all machines that share a store or a tracking server",
        hint=f"wait until it ends, or stop it; after a silence{late} the lease is free; for another study: --set name=OTHER",
    )


def lost(study: str, holder: Lease, place: str) -> UserError:
    """Another command took the lease over while this one did not renew it; to be raised."""
    return UserError(
        f"another command has taken over the study '{study}'",
        code="study.lease-lost",
        found=f"in {place}, its lease is held by {holder.words()}",
        expected="a heartbeat in time: this machine slept, was stopped, or did not reach the place",
        hint="wait until the other command ends; the same command then continues",
    )


def user_name() -> str:
    """Of the person who types; a number where the machine knows no name, as in containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
