"""MLflow's record of a study, written by a thread, so that MLflow's errors never reach the study."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertft_core.config import StudyConfig
from bertft_core.records import DatasetCard, RunRecord, RunSpec, StudySummary, SweepResult
from bertft_core.storage.study_dir import StudyDir
from tasks.mlflow_address import browser_address
from tasks.tracking.store_files import digest_in, mlflow_runs
from tasks.tracking.writer_thread import AWAY_SECONDS, Writer

if TYPE_CHECKING:  # it imports MLflow, which takes seconds: the writing thread does that
    from tasks.tracking.study_log import StudyLog

FLUSH_SECONDS = 2.0
OPEN_SECONDS = 60.0
"""How long a store that does not answer is waited for before a run is trained that MLflow may have."""


class Tracker:
    """Logs one execution of a study to MLflow; calls return at once and never raise MLflow's errors.

    `on_page` hears of the study's page, where the store is a server that a browser reaches, once it is there.
    """

    def __init__(
        self, study: StudyConfig, study_dir: StudyDir, *, on_page: Callable[[str, str], object] = lambda *_: None
    ) -> None:
        self._study, self._study_dir, self._on_page = study, study_dir, on_page
        self.session = uuid.uuid4().hex
        self._writer = Writer()
        self._log: StudyLog | None = None
        self._card: DatasetCard | None = None
        self._tried = threading.Event()
        """Set once the store was opened, or was found to be away."""

    @property
    def problems(self) -> list[str]:
        """What could not be logged, for the user to read; empty when all went well."""
        return self._writer.problems

    @property
    def study_run_id(self) -> str | None:
        """The study's own run; None while the store is away."""
        return None if self._log is None else self._log.study_run_id

    def study_address(self) -> str | None:
        """The report on the pages of MLflow's server; None where the store is none that a browser reaches, or is away."""
        return None if self._log is None else self._address_of(self._log.report_page)

    def _address_of(self, page: str) -> str | None:
        server = browser_address(self._study.tracking.uri)
        return None if server is None else f"{server}/{page}"

    def _post(self, job: Callable[[StudyLog], object], *, must: bool = True) -> None:
        def write() -> None:
            job(self._opened())

        self._writer.post(write, must=must)

    def _opened(self) -> StudyLog:
        """The study's log; a store that was away is opened when it is back."""
        if self._log is None:
            try:
                from tasks.tracking.study_log import StudyLog

                log = StudyLog(self._study, self._study_dir, self.session)
                if self._card is not None:
                    log.log_data(self._card)
                self._log = log
                if (address := self._address_of(log.page)) is not None:
                    self._on_page("MLflow", address)
            finally:
                self._tried.set()
        return self._log

    def start(self) -> None:
        """Open the store and the parent run."""
        self._post(lambda log: log, must=False)

    def log_data(self, card: DatasetCard) -> None:
        """The data card, and the data set as an input of the study; once for each card."""
        if card == self._card:
            return
        self._card = card
        self._post(lambda log: log.log_data(card))

    def start_search(self, arm: str, digest: str) -> None:
        """A search begins or continues."""
        self._post(lambda log: log.start_search(arm, digest), must=False)  # its end opens it too, and must not come before

    def log_search(self, result: SweepResult) -> None:
        """A finished search: what it chose, its trials, its report."""
        self._post(lambda log: log.log_search(result))

    @contextmanager
    def run_of(self, spec: RunSpec) -> Iterator[Callable[[dict[str, Any]], None]]:
        """A listener for the events of a run; curves reach MLflow in batches while it trains, larger ones where it is slow."""
        pending: list[dict[str, Any]] = []
        began, flushed_at, waits_since = _now_ms(), time.monotonic(), 0.0

        def flush() -> None:
            nonlocal waits_since
            batch, now, waits_since = list[dict[str, Any]](), _now_ms(), time.monotonic()

            def write(log: StudyLog) -> None:
                nonlocal waits_since
                waits_since = 0.0
                n = len(pending)  # the run's thread adds to its end meanwhile
                batch.extend(pending[:n])
                del pending[:n]
                log.runs.log_events(spec, batch, now)

            self._post(write, must=False)  # the record has them too

        def on_event(event: dict[str, Any]) -> None:
            nonlocal flushed_at
            pending.append(event)
            now = time.monotonic()
            if now - flushed_at > FLUSH_SECONDS and not (waits_since and now - waits_since < AWAY_SECONDS):
                flush()
                flushed_at = now

        self._post(lambda log: log.runs.begin(spec, log.parent_of(spec), began), must=False)
        try:
            yield on_event
        finally:
            flush()

    def log_record(self, record: RunRecord) -> None:
        """Everything about a run that ended, as far as MLflow does not have it yet."""
        now = _now_ms()
        self._post(lambda log: log.runs.log_record(record, log.parent_of(record.spec), now))

    def catch_up(self, records: Iterable[RunRecord]) -> None:
        """Log what MLflow lacks of these records, and put all of them below this execution's parent."""
        for record in records:
            self._catch_up(record, _now_ms())

    def _catch_up(self, record: RunRecord, now: int) -> None:
        self._post(lambda log: log.runs.catch_up(record, log.parent_of(record.spec), now))

    def expect_models(self) -> None:
        """Models will be logged: import what that needs, which takes seconds, while a slot is idle."""
        if self._study.tracking.log_models and self._study.retention.checkpoints != "none":
            self._writer.post(_import_for_models)

    def log_model(self, record: RunRecord) -> None:
        """A kept checkpoint as an MLflow model of its run."""
        self._post(lambda log: log.runs.log_model(record))

    def register_model(self, record: RunRecord, arm: str, claim: str) -> None:
        """The model of an arm's best run in MLflow's registry."""
        self._post(lambda log: log.runs.register_model(record, arm, claim))

    def drop_model(self, digest: str) -> None:
        """Delete the model of a run from MLflow, where it has one: the study does not keep it."""
        self._post(lambda log: log.runs.drop_model(digest))

    def log_study(self, summary: StudySummary, note: str) -> None:
        """Statistics, report and result table on the parent."""
        self._post(lambda log: log.log_study(summary, note))

    def restore(self, digest: str, run_dir: Path) -> RunRecord | None:
        """Fetch a finished run's files from MLflow into its folder; None when MLflow has no such run, or does not answer."""
        if self._study.tracking.uri is None and digest not in self._in_home:
            return None  # known without waiting for MLflow
        self._tried.wait(OPEN_SECONDS)
        try:
            return None if self._log is None else self._log.runs.restore(digest, run_dir)
        except Exception as error:  # it is trained again instead
            self._writer.tell(error)
            return None

    @cached_property
    def _in_home(self) -> set[str | None]:
        """Digests of what earlier commands have begun in the home's store."""
        return {digest_in(run.tags) for run in mlflow_runs(self._study_dir.home_dir, self._study.name)}

    def discard(self, digest: str) -> None:
        """Forget a run that is to be trained again."""
        self._post(lambda log: log.runs.discard(digest))

    def finish(self, status: str) -> None:
        """End the parent run: FINISHED, FAILED or KILLED, and everything this execution left open; then stop."""
        self._post(lambda log: log.finish(status))
        self._writer.close()


def _import_for_models() -> None:
    from tasks.tracking.mlflow_model import import_libraries

    import_libraries()


def _now_ms() -> int:
    return int(time.time() * 1000)
