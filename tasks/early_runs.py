"""Runs that train before Prefect's tasks for them are there; the tasks wait for them.

Prefect's server needs many seconds to start, and seconds to start a task where its database is busy. Slots wait for neither.
"""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path

from bertft_core.planning.run_order import balanced, calculated_seconds
from bertft_core.planning.wanted_runs import decided_arms, wanted_runs
from bertft_core.records import DatasetCard, RunSpec
from bertft_core.training.device_sharing import wants_trial
from tasks.protocols import Progress, RunLog, SlotPool
from tasks.stored_runs import StoredRuns
from tasks.study_session import Session

Promise = tuple[RunSpec, Future[None]]


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
        """The runs that threads train or will train, by digest, until a task waits for them."""
        self._promised: list[Future[None]] = []
        """Of the runs that were asked for last."""
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

    def begin_decided(self) -> None:
        """Train on every slot what no search decides, until `stop`. Returns at once."""
        self._start(self._promised_one_by_one())

    def _promised_one_by_one(self) -> Iterator[Promise]:
        for spec in balanced(self._decided_runs(), self._seconds, self._session.progress.n_slots):
            if spec.digest not in self._begun and self.stored.finished(spec) is None:
                yield self._promise(spec)

    def begin(self, specs: Iterable[RunSpec]) -> None:
        """Train these on every slot in this order, until `stop` or until one fails: tasks begin the others. Returns at once."""
        with self._lock:
            promises = [self._promise(spec) for spec in specs if spec.digest not in self._begun]
            self._promised = [future for _, future in promises]
        self._start(iter(promises))

    def _promise(self, spec: RunSpec) -> Promise:
        return spec, self._begun.setdefault(spec.digest, Future())

    def _start(self, promises: Iterator[Promise]) -> None:
        self._stopped = threading.Event()
        for _ in range(self._session.slots.n):
            threading.Thread(target=self._work, args=(promises, self._stopped), daemon=True).start()

    def stop(self) -> None:
        """Begin no more runs; those that are begun go on."""
        self._stopped.set()
        with self._lock:  # the one that is just being begun
            for future in self._promised:
                future.cancel()  # where it has not begun

    def has_begun(self, spec: RunSpec) -> bool:
        """The run of this spec was begun, or will be, and no task waits for it."""
        return spec.digest in self._begun

    def is_trained(self, spec: RunSpec) -> bool:
        """Wait until the run of this spec has ended, and raise what it raised; False where the caller has to train it.

        It is waited for once, so that a second attempt trains anew.
        """
        begun = self._begun.pop(spec.digest, None)
        try:
            return begun is not None and begun.result() is None
        except CancelledError:
            return False

    def _work(self, promises: Iterator[Promise], stopped: threading.Event) -> None:
        while (begun := self._next(promises, stopped)) is not None:
            spec, future = begun
            run_dir, log, progress = self._session.dir.run_dir(spec.digest), self._session.tracker, self._session.progress
            try:
                train_on_slot(spec, run_dir, slots=self._session.slots, log=log, progress=progress)
            except BaseException as error:  # the task that waits for the run raises it, and tries again or not
                if not stopped.is_set():
                    self.stop()
                future.set_exception(error)
            else:
                future.set_result(None)

    def _next(self, promises: Iterator[Promise], stopped: threading.Event) -> Promise | None:
        with self._lock:
            try:
                while not stopped.is_set() and (promise := next(promises, None)) is not None:
                    if promise[1].set_running_or_notify_cancel():
                        return promise
            except BaseException:  # the flow meets it again, where it is reported
                stopped.set()
        return None
