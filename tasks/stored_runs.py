"""Runs that need not be trained again: in the study's folder, else in MLflow."""

import shutil
from pathlib import Path

from bertft_core.records import DatasetCard, RunRecord, RunSpec
from bertft_core.records.selection import answers, goes_on
from bertft_core.storage.damage import files_of
from bertft_core.storage.study_dir import StudyDir, problem_of_file
from tasks.protocols import RunLog
from tasks.same_encoder import refuse_other_model


class StoredRuns:
    """Looks up the results of a study's runs; with `force` each of them is trained once more, and once only."""

    def __init__(self, study_dir: StudyDir, card: DatasetCard, log: RunLog, *, force: bool) -> None:
        self._dir, self._card, self._log, self._force = study_dir, card, log, force
        self._discarded: set[str] = set()

    def finished(self, spec: RunSpec) -> RunRecord | None:
        """The result of a run that need not be trained again. Raises `UserError` for one of other settings of the encoder."""
        run_dir = self._dir.run_dir(spec.digest)
        if self._force and spec.digest not in self._discarded:
            self._discarded.add(spec.digest)
            shutil.rmtree(run_dir, ignore_errors=True)
            self._log.discard(spec.digest)
            return None
        record = self._dir.record(spec.digest)
        if record is not None and goes_on(
            record, spec
        ):  # its state is beside it, and its record is needed to know which seeds go on
            return None
        if record is None or not is_reusable(record, spec, run_dir):
            record = self._log.restore(spec.digest, run_dir)
        if record is None or goes_on(record, spec):
            return None
        if is_reusable(record, spec, run_dir):
            refuse_other_model(record.spec.encoder, self._card.of_run(spec), self._dir.path)
            return record
        if record.status != "failed":  # its files are damaged, or the run will write others
            (run_dir / "record.json").unlink(missing_ok=True)
        return None


def is_reusable(record: RunRecord, spec: RunSpec, run_dir: Path) -> bool:
    """Whether a record answers a spec: finished with its files as they were written, or pruned as it would be again."""
    if record.status == "pruned":
        return answers(record, spec)
    return (
        record.finished
        and answers(record, spec)
        and all(is_whole(run_dir / path, record.files.get(path)) for path in files_of(record))
    )


def is_whole(path: Path, sha256: str | None) -> bool:
    """The file is there and is what was written; records of older versions know no SHA-256."""
    return path.is_file() if sha256 is None else problem_of_file(path, sha256) is None
