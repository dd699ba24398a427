"""Training a list of runs: reuse what is there, train the others slot by slot, and note what failed."""

from collections.abc import Iterable, Iterator
from typing import Any

from prefect.futures import PrefectFuture

from bertft_core.config import UserError
from bertft_core.records import RunRecord, RunSpec
from flows.stages.submission import submitted
from tasks.keep_models import ModelBudget
from tasks.stored_runs import StoredRuns
from tasks.study_session import Session
from tasks.train_run import failed_record, train_run


class Trainer:
    """Gets the records of runs, in the search and over seeds."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._stored = StoredRuns(session.dir, session.tracker, force=session.forced)
        self._models = ModelBudget(session.study, session.dir, session.tracker, session.progress.tell)

    def records_of(self, specs: Iterable[RunSpec]) -> dict[str, RunRecord]:
        """The record of every spec by digest, from an earlier command or trained now.

        A run that fails after its retries is a record with its reason; the others go on. Raises `UserError` at once.
        """
        progress = self.session.progress
        records: dict[str, RunRecord] = {}
        todo: dict[str, RunSpec] = {}
        again: list[RunSpec] = []  # the same run asked for twice, by two arms or trials with equal settings
        for spec in specs:
            if spec.digest in records or spec.digest in todo:
                again.append(spec)
            elif (record := self._stored.finished(spec)) is not None:
                records[spec.digest] = record
                self._models.ended(record)
                progress.ended(spec, record, reused=True)
            else:
                todo[spec.digest] = spec
        for record in self._trained(list(todo.values())):
            records[record.digest] = record
        for spec in again:
            progress.ended(spec, records[spec.digest], reused=True)
        return {digest: self._models.as_it_is(record) for digest, record in records.items()}

    def _trained(self, specs: list[RunSpec]) -> Iterator[RunRecord]:
        if not specs:
            return
        session, retries = self.session, self.session.study.execution.retries
        task, slots, folder = train_run.with_options(retries=retries), session.slots, session.dir

        def submit(spec: RunSpec) -> PrefectFuture[Any]:
            return task.submit(spec, folder.run_dir(spec.digest), slots=slots, log=session.tracker, progress=session.progress)

        for spec, result in submitted(submit, specs, slots.n):
            if isinstance(result, UserError):
                raise result
            if isinstance(result, BaseException):
                result = failed_record(spec, folder.run_dir(spec.digest), result, attempts=retries + 1)
            session.tracker.log_record(result)
            self._models.ended(result)
            session.progress.ended(spec, result, reused=False)
            yield result
