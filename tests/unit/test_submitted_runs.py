"""What can be done beside the last runs is begun when a slot has nothing to do, and no sooner."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from flows.stages.training_stage import submitted

SECONDS = 30.0


class Task:
    """A Prefect future and its state, as far as `submitted` uses them."""

    def __init__(self, future: Future[bool]) -> None:
        self._future = future
        self.state, self.is_final, self.add_done_callback = self, future.done, future.add_done_callback

    def wait(self) -> None:
        self._future.exception()

    def result(self, *, raise_on_failure: bool) -> bool:
        return self._future.result()


def test_a_slot_is_idle_once_fewer_runs_are_left_than_slots():
    last_began, idle = threading.Event(), threading.Event()

    def first() -> bool:
        return idle.is_set()

    def second() -> bool:
        return last_began.wait(SECONDS) and idle.is_set()

    def last() -> bool:
        last_began.set()
        return idle.wait(SECONDS)

    runs: Any = [first, second, last]
    with ThreadPoolExecutor(2) as slots:
        submit: Any = lambda run: Task(slots.submit(run))  # noqa: E731
        were_idle = {run.__name__: was_idle for run, was_idle in submitted(submit, runs, 2, idle.set)}
    assert were_idle == {"first": False, "second": False, "last": True}


def test_a_slot_is_idle_where_there_are_fewer_runs_than_slots():
    idle = threading.Event()
    runs: Any = [lambda: idle.wait(SECONDS)]
    with ThreadPoolExecutor(1) as slots:
        submit: Any = lambda run: Task(slots.submit(run))  # noqa: E731
        assert [was_idle for _, was_idle in submitted(submit, runs, 2, idle.set)] == [True]
