"""What one execution of a study holds: its lock, its workers, the tracker, and a guard that cleans up after a kill."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from filelock import FileLock

from bertft_core.config import StudyConfig
from bertft_core.records import DatasetCard, RunSpec
from bertft_core.storage.damage import repair
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.training.compute_choice import needs_probe, with_kernels
from bertft_core.training.device_sharing import share_devices, wants_trial
from bertft_core.training.machine_needs import fit_of, refuse_unfit
from bertft_core.training.slots import Slots
from tasks.early_workers import looks_finished
from tasks.engines.engine import open_pool
from tasks.guard import Guard
from tasks.lease_places import StudyLeases
from tasks.progress import StudyProgress
from tasks.protocols import SlotPool
from tasks.same_encoder import refuse_other_study
from tasks.study_lock import take_lock
from tasks.tracking.tracker import Tracker


class Session:
    """One execution of a study; a context manager that holds the study's lock and ends every worker on the way out."""

    def __init__(
        self, study: StudyConfig, home_dir: Path, progress: StudyProgress, *, force: bool = False, workers: SlotPool | None = None
    ) -> None:
        self.study, self.progress, self.forced = study, progress, force
        """The study; once entered, with everything decided that its runs are computed with."""
        self.dir = StudyDir(home_dir, study.name)
        self._slots = workers
        self._lock = FileLock(self.dir.path / "lock")
        self.leases = StudyLeases(self.dir.path, tell=progress.tell, on_loss=self.end_workers)
        self._is_open = False

    def __enter__(self) -> Session:
        """Open it; nothing for one that is open: a command may open it before its flow does."""
        if self._is_open:
            return self
        must_train = self.forced or not looks_finished(self.study, self.dir)
        if must_train:
            refuse_unfit(self.study)
        take_lock(self.dir, self._lock)
        with ExitStack() as held:
            held.callback(self._lock.release)
            held.callback(self.leases.end)
            held.callback(self.end_workers)
            self._open(must_train)
            self._held = held.pop_all()
        self._is_open = True
        return self

    def _open(self, must_train: bool) -> None:
        if must_train:
            self.leases.take(self.study)
        repair(self.dir, self.progress.tell)
        if must_train and needs_probe(self.study):
            self.study = with_kernels(self.study, self.slots.probe_kernels(self.study.execution.threads_per_run))
        write_record(self.dir.config_path, self.study.shareable)
        if must_train:
            _ = self.slots  # they import beside the data preparation
            for remark in fit_of(self.study).remarks:
                self.progress.tell(remark)
        self._plan_progress()
        self.tracker = Tracker(self.study, self.dir, on_page=self.progress.link)
        self._guard = Guard(self.dir.home_dir, self.study, self.tracker.session)
        self.tracker.start()

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if not self._is_open:
            return
        self._is_open = False
        with self._held:  # given back whatever fails
            self.end_workers()
            self.tracker.finish("FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED")
            for problem in self.tracker.problems:
                self.progress.tell(f"MLflow: {problem}; the same command logs what is missing")
            self._guard.release()
        self.leases.expect_held()

    def end_workers(self) -> None:
        """Nothing is trained in this execution any more."""
        if self._slots is not None:
            self._slots.close()

    def _plan_progress(self) -> None:
        """Tell the progress how many runs each stage has at most."""
        for name, arm in self.study.arms.items():
            if arm.search is not None:
                self.progress.plan("search", name, arm.search.n_trials * arm.search.n_seeds)
            self.progress.plan("seeds", name, self.study.n_runs_per_arm + self.study.seeds.repeats)
            if self.study.probes is not None and self.study.probes.needs_model:
                self.progress.plan("probe", name, self.study.n_runs_per_arm)

    def take(self, card: DatasetCard) -> None:
        """Note the data that the runs of this execution are trained on.

        Raises `UserError` for an encoder with other settings than the one that the study's runs were trained with, unless forced.
        """
        if not self.forced:
            refuse_other_study(self.dir, card)
        write_record(self.dir.card_path, card)
        self.tracker.log_data(card)

    def share_devices(self, longest: RunSpec) -> None:
        """Try how many runs the GPUs carry at once, with the one that takes longest, where the study leaves it open."""
        if wants_trial(self.study.execution) and isinstance(slots := self.slots, Slots):
            share_devices(slots, longest, self.study.execution.threads_per_run, self.progress.tell)
            self.progress.n_slots = slots.n

    @property
    def workers(self) -> SlotPool | None:
        """Those that are started already."""
        return self._slots

    @property
    def slots(self) -> SlotPool:
        """The workers, started when first asked for."""
        if self._slots is None:
            self.leases.take(self.study)
            self._slots = open_pool(self.study, self.dir, force=self.forced)
        self._slots.listen(self.progress.wait_for)
        self.progress.n_slots = self._slots.n
        return self._slots
