"""The models of a study within `retention.budget_gib` while it runs: after each run the worst ones beyond it are deleted."""

from __future__ import annotations

import shutil

from bertft_core.config import StudyConfig
from bertft_core.records import RunRecord
from bertft_core.storage import StudyDir
from bertft_core.storage.damage import Tell
from bertft_core.storage.retention import folder_bytes, over_budget
from bertft_core.storage.study_dir import write_record
from tasks.tracking.tracker import Tracker

DROPPED = "budget"


class ModelBudget:
    """Watches the models of the report runs that ended; a run in training is not among them."""

    def __init__(self, study: StudyConfig, study_dir: StudyDir, tracker: Tracker, tell: Tell) -> None:
        self._study, self._dir, self._tracker, self._tell = study, study_dir, tracker, tell
        self._records: dict[str, RunRecord] = {}

    def ended(self, record: RunRecord) -> None:
        """A run has its record: now, or since an earlier command."""
        if record.spec.stage != "seeds" or self._study.retention.budget_gib is None:
            return
        self._records[record.digest] = record
        sizes = {digest: folder_bytes(self._dir.run_dir(digest) / "model") for digest in self._records}
        for digest in over_budget(self._study, self._records.values(), {d: size for d, size in sizes.items() if size}):
            self._drop(digest)

    def _drop(self, digest: str) -> None:
        record = self._records[digest].model_copy(update={"model_dropped": DROPPED})
        write_record(self._dir.run_dir(digest) / "record.json", record)
        shutil.rmtree(self._dir.run_dir(digest) / "model", ignore_errors=True)
        self._records[digest] = record
        self._tracker.drop_model(digest)
        self._tell(f"{record.spec.title}: its model was deleted (retention.budget_gib: {self._study.retention.budget_gib:g})")

    def as_it_is(self, record: RunRecord) -> RunRecord:
        """The record with what became of its model since."""
        return self._records.get(record.digest, record)
