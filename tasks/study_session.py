"""What the stages of one study execution share: folders, lock, tracker, progress and the warm workers."""

from __future__ import annotations

import shutil
from pathlib import Path

from filelock import FileLock

from bertft_core.config import StudyConfig
from bertft_core.records import RunRecord, RunSpec
from bertft_core.records.selection import answers, goes_on
from bertft_core.storage import StudyDir
from bertft_core.storage.damage import files_of, repair
from bertft_core.storage.study_dir import file_sha256, write_record
from bertft_core.training.devices import refuse_absent_gpu, slot_environments
from bertft_core.training.slots import Slots
from tasks.early_workers import looks_finished, take_workers
from tasks.guard import Guard
from tasks.model_budget import ModelBudget
from tasks.progress import StudyProgress
from tasks.study_lock import refuse_older, take_lock
from tasks.tracking.tracker import Tracker


class Session:
    """One execution of a study; a context manager that holds the study's lock and ends every worker on the way out."""

    def __init__(self, study: StudyConfig, home_dir: Path, progress: StudyProgress, *, force: bool = False) -> None:
        self.study = study
        self.home_dir = home_dir
        self.dir = StudyDir(home_dir, study.name)
        self.progress = progress
        self._forced: set[str] | None = set() if force else None
        self._environments = slot_environments(study.execution)
        progress.n_slots = len(self._environments)
        self._slots: Slots | None = None
        self._lock = FileLock(self.dir.path / "lock")

    def __enter__(self) -> Session:
        must_train = self.forced or not looks_finished(self.study, self.dir)
        if must_train:
            refuse_absent_gpu(self.study.execution)
        take_lock(self.dir, self._lock)
        try:
            refuse_older(self.dir, force=self.forced)
            repair(self.dir, self.progress.tell)
            write_record(self.dir.config_path, self.study)
        except BaseException:
            self._lock.release()
            raise
        if must_train:
            _ = self.slots  # they import beside the data preparation
        self.tracker = Tracker(self.study, self.dir)
        self.models = ModelBudget(self.study, self.dir, self.tracker, self.progress.tell)
        self._guard = Guard(self.home_dir, self.study, self.tracker.session)
        self.tracker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._slots is not None:
            self._slots.close()
        self.tracker.finish("FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED")
        for problem in self.tracker.problems:
            self.progress.tell(f"MLflow: {problem}; the same command logs what is missing")
        self._guard.release()
        self._lock.release()

    @property
    def forced(self) -> bool:
        """Everything is trained again."""
        return self._forced is not None

    @property
    def n_slots(self) -> int:
        """Runs at once."""
        return len(self._environments)

    @property
    def slots(self) -> Slots:
        """The workers, started when first asked for."""
        if self._slots is None:
            refuse_absent_gpu(self.study.execution)
            self._slots = take_workers(self.dir) or Slots(self._environments, self.dir.path / "logs")
        return self._slots

    def finished_record(self, spec: RunSpec) -> RunRecord | None:
        """The result of a run that need not be trained again: from the study's folder, else from MLflow."""
        run_dir = self.dir.run_dir(spec.digest)
        if self._must_retrain(spec.digest):
            shutil.rmtree(run_dir, ignore_errors=True)
            self.tracker.discard(spec.digest)
            return None
        record = self.dir.record(spec.digest)
        if record is not None and goes_on(record, spec):  # its state lies beside it, and the record tells who went on
            return None
        if record is None or not is_reusable(record, spec, run_dir):
            record = self.tracker.restore(spec.digest, run_dir)
        if record is not None and goes_on(record, spec):
            return None
        if record is not None and is_reusable(record, spec, run_dir):
            return record
        if record is not None and record.status != "failed":  # its files are not whole, or will be others: it vouches for nothing
            (run_dir / "record.json").unlink(missing_ok=True)
        return None

    def _must_retrain(self, digest: str) -> bool:
        """With --force every run is trained once more, and once only."""
        if self._forced is None or digest in self._forced:
            return False
        self._forced.add(digest)
        return True


def is_reusable(record: RunRecord, spec: RunSpec, run_dir: Path) -> bool:
    """Whether a record answers a spec: finished with its files as they were written, or pruned as it would be again."""
    if record.status == "pruned":
        return answers(record, spec)
    return record.finished and all(is_whole(run_dir / path, record.files.get(path)) for path in files_of(record))


def is_whole(path: Path, sha256: str | None) -> bool:
    """The file is there and is what was written; records of older versions know no SHA-256."""
    try:
        return path.exists() if sha256 is None else file_sha256(path) == sha256
    except OSError:
        return False
