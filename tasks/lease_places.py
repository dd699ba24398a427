"""The places where the lease of a study is kept: the artifact store that its runs travel through, and its tracking server."""

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.addresses import shown
from tasks.process_identity import Owner
from tasks.study_lease import Lease, LeasePlace, StudyLease

NOBODY = Owner(host="", pid=0, began=0.0)
EMPTY_SECONDS = 1.0
"""How long a lease may be without content while it is made; one that stays so was left by a kill."""


class StorePlace:
    """`<store>/lease/<study>/<number>.json`; a lower number than the highest means nothing."""

    def __init__(self, address: str, study: str) -> None:
        from bertft_core.artifacts.store_address import open_store  # a study on this machine has no store

        self.name = address
        self._store = open_store(address)
        self._folder = f"{self._store.root}/lease/{study}"

    def newest(self) -> Lease | None:
        """See `LeasePlace`. A lease without content is being made, or was left by a kill and then means nothing."""
        deadline = time.monotonic() + EMPTY_SECONDS
        while numbers := self._numbers():
            with suppress(FileNotFoundError, ValidationError):
                return Lease.model_validate_json(self._store.files.cat_file(self._at(numbers[-1])))
            if time.monotonic() > deadline:
                return Lease(n=numbers[-1], token="", owner=NOBODY, user="", beat=0.0, every_seconds=0.0, has_ended=True)
            time.sleep(EMPTY_SECONDS / 10)
        return None

    def claim(self, lease: Lease) -> bool:
        """See `LeasePlace`."""
        self._store.files.makedirs(self._folder, exist_ok=True)
        if not self._store.create(self._at(lease.n), lease.model_dump_json().encode()):
            return False
        numbers = self._numbers()
        if numbers[-1] != lease.n:  # others made this one and the next while we waited, and deleted it
            return False
        for n in numbers[:-1]:
            with suppress(FileNotFoundError):
                self._store.files.rm_file(self._at(n))
        return True

    def renew(self, lease: Lease) -> None:
        """See `LeasePlace`."""
        self._store.write(self._at(lease.n), lease.model_dump_json().encode())

    def _numbers(self) -> list[int]:
        try:
            paths = self._store.files.ls(self._folder, detail=False)
        except FileNotFoundError:
            return []
        names = [str(path).rpartition("/")[2].partition(".") for path in paths]
        return sorted(int(stem) for stem, _, suffix in names if suffix == "json" and stem.isdigit())

    def _at(self, n: int) -> str:
        return f"{self._folder}/{n:08d}.json"


class StudyLeases:
    """The leases that one command has on a study: one at each place that other machines see, none where it shares nothing."""

    def __init__(self, folder: Path, *, tell: Callable[[str], object], on_loss: Callable[[], object]) -> None:
        """See `StudyLease`."""
        self._folder, self._tell, self._on_loss = folder, tell, on_loss
        self._token = uuid.uuid4().hex
        self._held: list[StudyLease] = []

    def take(self, study: StudyConfig) -> None:
        """Take what this command does not have yet. Raises `UserError` where another command has it."""
        if self._held:
            return
        if study.execution.store is not None:
            self._take(StorePlace(study.execution.store, study.name))
        uri = study.tracking.uri
        if uri is not None and uri.startswith(("http://", "https://")):
            try:
                from tasks.tracking.tracked_lease import TrackedPlace  # imports MLflow, which takes seconds

                self._take(TrackedPlace(uri, study.name))
            except UserError:
                raise
            except Exception as error:  # a study does not need its tracking server
                why = f"its store does not answer, so other machines could start the study too: {shown(error)}"
                self._tell(f"MLflow: {why}; the same command logs what is missing")

    def _take(self, place: LeasePlace) -> None:
        self._held.append(StudyLease(place, self._folder, self._token, tell=self._tell, on_loss=self._on_loss))

    def expect_held(self) -> None:
        """Raise `UserError` where another command has taken one over."""
        for lease in self._held:
            lease.expect_held()

    def end(self) -> None:
        """Give back what was taken."""
        for lease in self._held:
            lease.end()
