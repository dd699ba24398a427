"""Training a list of runs: reuse what is there, submit the others slot by slot, and note what failed."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from bertft_core.config import UserError
from bertft_core.records import RunRecord, RunSpec
from tasks.study_session import Session
from tasks.train_run import failed_record, train_run

Futures = dict[Any, RunSpec]


def train_specs(session: Session, specs: Iterable[RunSpec]) -> dict[str, RunRecord]:
    """The record of every spec by digest, from an earlier command or trained now.

    A run that fails after its retries is a record with its reason; the others go on. Raises `UserError` at once.
    """
    records: dict[str, RunRecord] = {}
    todo: dict[str, RunSpec] = {}
    again: list[RunSpec] = []  # the same run asked for twice, by two arms or trials with equal settings
    for spec in specs:
        if spec.digest in records or spec.digest in todo:
            again.append(spec)
        elif (record := session.finished_record(spec)) is not None:
            records[spec.digest] = record
            session.models.ended(record)
            session.progress.ended(spec, record, reused=True)
        else:
            todo[spec.digest] = spec
    records |= _train(session, list(todo.values()))
    for spec in again:
        session.progress.ended(spec, records[spec.digest], reused=True)
    return {digest: session.models.as_it_is(record) for digest, record in records.items()}


def _train(session: Session, specs: list[RunSpec]) -> dict[str, RunRecord]:
    """Submit one task per run, one more than there are slots at a time, so that a task that shows as running soon does."""
    retries = session.study.execution.retries
    submit = train_run.with_options(retries=retries).submit
    permits = threading.Semaphore(session.n_slots + 1)
    pending: Futures = {}
    records: dict[str, RunRecord] = {}
    for spec in specs:
        permits.acquire()
        records |= _collect(session, pending, wait=False)
        future = submit(spec, session)
        future.add_done_callback(lambda _: permits.release())
        pending[future] = spec
    return records | _collect(session, pending, wait=True)


def _collect(session: Session, pending: Futures, *, wait: bool) -> dict[str, RunRecord]:
    """The records of futures that are done, which are taken out of `pending`; all of them with `wait`."""
    records: dict[str, RunRecord] = {}
    for future, spec in list(pending.items()):
        if wait:
            future.wait()
        if not future.state.is_final():
            continue
        del pending[future]
        result = future.result(raise_on_failure=False)
        if isinstance(result, UserError):
            raise result
        if isinstance(result, BaseException):
            result = failed_record(spec, session, result, attempts=session.study.execution.retries + 1)
        records[spec.digest] = result
        session.tracker.log_record(result)
        session.models.ended(result)
        session.progress.ended(spec, result, reused=False)
    return records
