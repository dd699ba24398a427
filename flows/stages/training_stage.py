"""Training the runs that are not there yet, slot by slot: those of a list, and the report runs of every arm."""

import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prefect import tags
from prefect.futures import PrefectFuture

from bertft_core.config import UserError
from bertft_core.planning.run_order import balanced, calculated_seconds
from bertft_core.planning.wanted_runs import WantedRuns, wanted_runs
from bertft_core.records import DatasetCard, RunRecord, RunSpec, SweepResult
from bertft_core.records.selection import may_go_on
from tasks.early_runs import EarlyRuns
from tasks.keep_models import ModelBudget
from tasks.run_tasks import failed_record, tags_of, train_run
from tasks.study_session import Session

Pending = dict[PrefectFuture[Any], RunSpec]
Submit = Callable[[RunSpec], PrefectFuture[Any]]
Act = Callable[[], object]


def nothing() -> None:
    """What there is to do beside training where nothing is."""


class Trainer:
    """Gets the records of runs, in the search and over seeds."""

    def __init__(self, session: Session, early: EarlyRuns) -> None:
        self.session, self._early = session, early
        self._models = ModelBudget(session.study, session.dir, session.tracker, session.progress.tell)

    def records_of(self, specs: Iterable[RunSpec], *, meanwhile: Act = nothing, on_idle: Act = nothing) -> dict[str, RunRecord]:
        """The record of every spec by digest, from an earlier command or trained now.

        A run that fails after its retries is a record with its reason; the others go on. `meanwhile` is called once the first
        ones train, `on_idle` once fewer are left to train than there are slots. Raises `UserError` at once.
        """
        progress = self.session.progress
        records: dict[str, RunRecord] = {}
        todo: dict[str, RunSpec] = {}
        again: list[RunSpec] = []  # the same run asked for twice, by two arms or trials with equal settings
        for spec in specs:
            if spec.digest in records or spec.digest in todo:
                again.append(spec)
            elif not self._early.has_begun(spec) and (record := self._early.stored.finished(spec)) is not None:
                records[spec.digest] = record
                self._models.ended(spec, record)
                progress.ended(spec, record, reused=True)
            else:
                todo[spec.digest] = spec
        self._early.begin(todo.values())
        try:
            meanwhile()
            for record in self._trained(list(todo.values()), on_idle):
                records[record.digest] = record
        finally:
            self._early.stop()
        for spec in again:
            self._models.ended(spec, records[spec.digest])
            progress.ended(spec, records[spec.digest], reused=True)
        return {digest: self._models.as_it_is(record) for digest, record in records.items()}

    def _trained(self, specs: list[RunSpec], on_idle: Act) -> Iterator[RunRecord]:
        if not specs:
            return
        session, retries = self.session, self.session.study.execution.retries
        task, slots, folder = train_run.with_options(retries=retries), session.slots, session.dir
        given: dict[str, Any] = {"slots": slots, "log": session.tracker, "progress": session.progress, "early": self._early}

        def submit(spec: RunSpec) -> PrefectFuture[Any]:
            with tags(*tags_of(spec)):
                return task.submit(spec, folder.run_dir(spec.digest), **given)

        for spec, result in submitted(submit, specs, slots.n, on_idle):
            if isinstance(result, UserError):
                raise result
            if isinstance(result, BaseException):
                session.leases.expect_held()  # its workers are ended then
                result = failed_record(spec, folder.run_dir(spec.digest), result, attempts=retries + 1)
            session.tracker.log_record(result)
            self._models.ended(spec, result)
            session.progress.ended(spec, result, reused=False)
            yield result


def run_seeds(
    trainer: Trainer, card: DatasetCard, sweeps: dict[str, SweepResult], *, meanwhile: Act = nothing
) -> tuple[WantedRuns, dict[str, RunRecord]]:
    """Train every arm over the seeds of the study's design; the report runs and repeats, and their records by digest.

    `meanwhile` is called whenever some of them train.
    """
    session, seconds = trainer.session, calculated_seconds(card)
    chosen = {arm: result.chosen for arm, result in sweeps.items()}
    records: dict[str, RunRecord] = {}
    while todo := (wanted := wanted_runs(session.study, card, chosen, records)).unanswered(records):
        if records:  # more runs are wanted than were planned at first
            for arm, n in Counter(spec.arm for spec in todo).items():
                session.progress.plan_more("seeds", arm, n)
        in_order = balanced(todo, seconds, session.progress.n_slots)
        records |= trainer.records_of(in_order, meanwhile=meanwhile, on_idle=session.tracker.expect_models)
    for spec in wanted.planned:
        if may_go_on(records[spec.digest]):  # it stopped at its cut for good: its state is not needed
            shutil.rmtree(session.dir.run_dir(spec.digest) / "checkpoint", ignore_errors=True)
    return wanted, records


def submitted(submit: Submit, specs: Iterable[RunSpec], n_slots: int, on_idle: Act = nothing) -> Iterator[tuple[RunSpec, Any]]:
    """Each run with what its task returned, or with the exception that it raised, as they end.

    One more than there are slots is submitted at a time, so that a task that shows as running soon does. `on_idle` is called when
    fewer are left than there are slots.
    """
    permits = threading.Semaphore(n_slots + 1)
    pending: Pending = {}
    for spec in specs:
        permits.acquire()
        yield from _ended(pending, wait=False)
        future = submit(spec)
        future.add_done_callback(lambda _: permits.release())
        pending[future] = spec
    for _ in range(2):
        permits.acquire()
        yield from _ended(pending, wait=False)
    on_idle()
    yield from _ended(pending, wait=True)


def _ended(pending: Pending, *, wait: bool) -> Iterator[tuple[RunSpec, Any]]:
    """Those that are done, which are taken out of `pending`; all of them with `wait`."""
    for future, spec in list(pending.items()):
        if wait:
            future.wait()
        if future.state.is_final():
            del pending[future]
            yield spec, future.result(raise_on_failure=False)
