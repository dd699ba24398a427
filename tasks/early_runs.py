"""Runs that train before Prefect's tasks for them are there; the tasks adopt them.

Prefect's server needs many seconds to start, and seconds to start a task where its database is busy. Slots wait for neither.
"""

import threading
from collections.abc import Iterable, Iterator
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
    """The runs of a session that are begun in the order in which the flow asks for them, or will ask once it has begun itself."""

    def __init__(self, session: Session, card: DatasetCard) -> None:
        self._session, self._card = session, card
        self.stored = StoredRuns(session.dir, card, session.tracker, force=session.forced)
        self._decided: list[RunSpec] | None = None
        self._seconds = calculated_seconds(card)
        self._begun: dict[str, Future[None]] = {}
        self._taken: set[str] = set()
        """The runs whose tasks came first and begin them themselves."""
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

    def _unfinished(self) -> Iterator[RunSpec]:
        for spec in balanced(self._decided_runs(), self._seconds, self._session.progress.n_slots):
            if self.stored.finished(spec) is None:
                yield spec

    def begin_decided(self) -> None:
        """Train what no search decides; see `begin`."""
        self.begin(self._unfinished())

    def begin(self, specs: Iterable[RunSpec]) -> None:
        """Train them on every slot in this order, until `stop` or until one fails: tasks begin the others. Returns at once."""
        with self._lock:
            self._stopped, self._taken, in_order = threading.Event(), set(), iter(specs)
        for _ in range(self._session.slots.n):
            threading.Thread(target=self._work, args=(in_order, self._stopped), daemon=True).start()

    def stop(self) -> None:
        """Begin no more runs; those that are begun go on."""
        self._stopped.set()
        with self._lock:  # the one that is just being begun
            pass

    def has_begun(self, spec: RunSpec) -> bool:
        """The run of this spec was begun, and no task has adopted it."""
        return spec.digest in self._begun

    def adopted(self, spec: RunSpec) -> Future[None] | None:
        """The run of this spec, if it was begun; it is given away once, so that a second attempt trains anew.

        None where it was not: then the caller begins it, and nobody else does.
        """
        with self._lock:
            self._taken.add(spec.digest)
            return self._begun.pop(spec.digest, None)

    def _work(self, specs: Iterator[RunSpec], stopped: threading.Event) -> None:
        while (begun := self._next(specs, stopped)) is not None:
            spec, future = begun
            run_dir, log, progress = self._session.dir.run_dir(spec.digest), self._session.tracker, self._session.progress
            try:
                train_on_slot(spec, run_dir, slots=self._session.slots, log=log, progress=progress)
            except BaseException as error:  # the task that adopts the run raises it, and tries again or not
                stopped.set()
                future.set_exception(error)
            else:
                future.set_result(None)

    def _next(self, specs: Iterator[RunSpec], stopped: threading.Event) -> tuple[RunSpec, Future[None]] | None:
        with self._lock:
            try:
                for spec in specs:
                    if stopped.is_set():
                        return None
                    if spec.digest not in self._begun and spec.digest not in self._taken:
                        self._begun[spec.digest] = Future()
                        return spec, self._begun[spec.digest]
            except BaseException:  # the flow meets it again, where it is reported
                stopped.set()
        return None
