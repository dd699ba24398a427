"""The lease of a study at its tracking server: a tag of its experiment."""

import time
from pathlib import Path

from pydantic import ValidationError

from bertft_core.config.addresses import without_password
from tasks.study_lease import Lease
from tasks.tracking.mlflow_store import open_store

LEASE = "bertft.lease"
SETTLE_SECONDS = 1.0
"""A tag is what was written last, so a claim is good when it still stands after a moment."""


class TrackedPlace:
    """See `tasks.study_lease.LeasePlace`."""

    def __init__(self, uri: str, study: str) -> None:
        self.name = without_password(uri)
        self._client, self._id = open_store(Path(), uri, study)

    def newest(self) -> Lease | None:
        """See `LeasePlace`."""
        try:
            return Lease.model_validate_json(self._client.get_experiment(self._id).tags.get(LEASE, ""))
        except ValidationError:
            return None

    def claim(self, lease: Lease) -> bool:
        """See `LeasePlace`."""
        self.renew(lease)
        time.sleep(SETTLE_SECONDS)
        newest = self.newest()
        return newest is not None and newest.token == lease.token

    def renew(self, lease: Lease) -> None:
        """See `LeasePlace`."""
        self._client.set_experiment_tag(self._id, LEASE, lease.model_dump_json())
