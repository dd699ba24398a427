"""Report runs that train while Prefect's server is still starting; the tasks of these runs adopt them when it is there."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from bertft_core.planning.run_order import balanced, calculated_seconds
from bertft_core.planning.wanted_runs import decided_arms, wanted_runs
from bertft_core.records import DatasetCard, RunSpec
from bertft_core.training.device_sharing import wants_trial
from tasks.protocols import Progress, RunLog, SlotPool
from tasks.stored_runs import StoredRuns
from tasks.study_session import Session


def train_on_slot(spec: RunSpec, run_dir: Path, *, slots: SlotPool, log: RunLog, progress: Progress) -> None:
    """Lease a slot and have its worker train a run, which leaves a record. Raises as `RunWorker.run` does."""
    with slots.lease() as worker, log.run_of(spec) as log_event:

        def on_event(event: dict) -> None:
            progress.on_event(spec, event)
            log_event(event)

        worker.run(spec, run_dir, on_event)


class EarlyRuns:
    """The runs of a session that no search decides, begun in the order in which the flow will ask for them, until it does."""

    def __init__(self, session: Session, card: DatasetCard) -> None:
        self._session, self._card = session, card
        self.stored = StoredRuns(session.dir, card, session.tracker, force=session.forced)
        self._decided: list[RunSpec] | None = None
        self._seconds = calculated_seconds(card)
        self._specs = self._ordered()
        self._begun: dict[str, Future[None]] = {}
        self._lock, self._stopped = threading.Lock(), threading.Event()

    def share_devices(self) -> None:
        """See `Session.share_devices`; it has happened already where runs have begun."""
        if wants_trial(self._session.study.execution):
            with self._lock:
                self._decided_runs()

    def _decided_runs(self) -> list[RunSpec]:
        """The runs that no search decides and no record answers, when devices are shared."""
        if self._decided is None:
            study, forced = self._session.study, self._session.forced
            records = {} if forced else {record.digest: record for record in self._session.dir.records()}
            wanted = wanted_runs(study, self._card, {}, records)
            unanswered = wanted.unanswered(records)
            if unanswered:
                self._session.share_devices(max(unanswered, key=self._seconds))
            self._decided = wanted.of_arms(decided_arms(study, {})).unanswered(records)
        return self._decided

    def _ordered(self) -> Iterator[RunSpec]:
        yield from balanced(self._decided_runs(), self._seconds, self._session.progress.n_slots)

    def begin(self) -> None:
        """Train on every slot, until `stop`; returns at once."""
        for _ in range(self._session.slots.n):
            threading.Thread(target=self._work, daemon=True).start()

    def stop(self) -> None:
        """Begin no more runs; those that are begun go on."""
        self._stopped.set()
        with self._lock:  # the one that is just being begun
            pass

    def has_begun(self, spec: RunSpec) -> bool:
        """The run of this spec was begun, and no task has adopted it."""
        return spec.digest in self._begun

    def adopted(self, spec: RunSpec) -> Future[None] | None:
        """The run of this spec, if it was begun; it is given away once, so that a second attempt trains anew."""
        return self._begun.pop(spec.digest, None)

    def _work(self) -> None:
        while (begun := self._next()) is not None:
            spec, future = begun
            run_dir, log, progress = self._session.dir.run_dir(spec.digest), self._session.tracker, self._session.progress
            try:
                train_on_slot(spec, run_dir, slots=self._session.slots, log=log, progress=progress)
            except BaseException as error:  # the task that adopts the run raises it, and tries again or not
                self._stopped.set()
                future.set_exception(error)
            else:
                future.set_result(None)

    def _next(self) -> tuple[RunSpec, Future[None]] | None:
        with self._lock:
            try:
                for spec in self._specs:
                    if self._stopped.is_set():
                        return None
                    if spec.digest not in self._begun and self.stored.finished(spec) is None:
                        self._begun[spec.digest] = Future()
                        return spec, self._begun[spec.digest]
            except BaseException:  # the flow meets it again, where it is reported
                self._stopped.set()
        return None
