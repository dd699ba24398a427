"""Submitting tasks, one more than there are slots at a time, so that a task that shows as running soon does."""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prefect.futures import PrefectFuture

from bertft_core.records import RunSpec

Pending = dict[PrefectFuture[Any], RunSpec]
Submit = Callable[[RunSpec], PrefectFuture[Any]]


def submitted(submit: Submit, specs: Iterable[RunSpec], n_slots: int) -> Iterator[tuple[RunSpec, Any]]:
    """Each run with what its task returned, or with the exception that it raised, as they end."""
    permits = threading.Semaphore(n_slots + 1)
    pending: Pending = {}
    for spec in specs:
        permits.acquire()
        yield from _ended(pending, wait=False)
        future = submit(spec)
        future.add_done_callback(lambda _: permits.release())
        pending[future] = spec
    yield from _ended(pending, wait=True)


def _ended(pending: Pending, *, wait: bool) -> Iterator[tuple[RunSpec, Any]]:
    """Those that are done, which are taken out of `pending`; all of them with `wait`."""
    for future, spec in list(pending.items()):
        if wait:
            future.wait()
        if future.state.is_final():
            del pending[future]
            yield spec, future.result(raise_on_failure=False)
