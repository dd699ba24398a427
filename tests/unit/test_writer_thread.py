"""The thread that writes to MLflow: it retries, gives up, waits for a store that is away, and never raises."""

from __future__ import annotations

import threading

import pytest

from tasks.tracking import writer_thread
from tasks.tracking.writer_thread import AWAY_AFTER, TRIES, Writer


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(writer_thread, "FIRST_PAUSE_SECONDS", 0.0)


class Store:
    """Fails a number of times, then works."""

    def __init__(self, n_failures: int = 0) -> None:
        self.n_failures, self.n_calls = n_failures, 0

    def __call__(self) -> None:
        self.n_calls += 1
        if self.n_calls <= self.n_failures:
            raise ConnectionError(f"the store is away\ncall {self.n_calls}")


def written(*jobs, must=()) -> Writer:
    """A writer that has done these jobs, those in `must` for certain, and has ended."""
    worker = Writer()
    for job in jobs:
        worker.post(job, must=job in must)
    worker.close()
    return worker


def test_jobs_are_done_in_the_order_they_were_posted():
    seen: list[int] = []
    assert written(*(lambda n=n: seen.append(n) for n in range(50))).problems == []
    assert seen == list(range(50))


def test_posting_never_waits_for_the_store():
    store_answers, done = threading.Event(), []
    worker = Writer()
    worker.post(lambda: done.append(store_answers.wait(30)))
    assert done == []
    store_answers.set()
    worker.close()
    assert done == [True]


def test_a_job_that_fails_is_tried_again():
    store = Store(n_failures=TRIES - 1)
    assert written(store).problems == []
    assert store.n_calls == TRIES


def test_a_job_that_keeps_failing_is_given_up_reported_in_one_line_and_the_next_one_is_done():
    broken, healthy = Store(n_failures=100), Store()
    assert written(broken, healthy).problems == ["ConnectionError: the store is away"]
    assert (broken.n_calls, healthy.n_calls) == (TRIES, 1)


def test_after_a_success_a_failing_job_gets_all_its_tries_again():
    first, second = Store(n_failures=100), Store(n_failures=TRIES - 1)
    written(first, Store(), second)
    assert second.n_calls == TRIES


def test_a_store_that_is_away_is_not_asked_for_every_job():
    stores = [Store(n_failures=100) for _ in range(20)]
    assert written(*stores).problems == ["ConnectionError: the store is away"], "each problem is reported once"
    assert [store.n_calls for store in stores] == [TRIES, *[1] * (AWAY_AFTER - 1), *[0] * (20 - AWAY_AFTER)]


def test_a_store_that_is_back_is_written_to_again(monkeypatch):
    monkeypatch.setattr(writer_thread, "AWAY_SECONDS", 0.0)
    back = Store()
    written(*(Store(n_failures=100) for _ in range(AWAY_AFTER + 2)), back)
    assert back.n_calls == 1


def test_what_must_be_done_is_made_up_for_at_the_end_in_its_order():
    seen: list[str] = []
    away = Store(n_failures=TRIES + AWAY_AFTER - 1)

    def job(name: str):
        def write() -> None:
            away()
            seen.append(name)

        return write

    jobs = [job(name) for name in "abcdef"]
    assert written(*jobs, must=[jobs[1], jobs[4], jobs[5]]).problems == []
    assert seen == ["b", "e", "f"], "the others were dropped while the store was away"


def test_one_job_that_can_never_be_done_does_not_keep_the_others_from_being_made_up_for():
    broken, away, last = Store(n_failures=100), [Store(n_failures=100), Store(n_failures=100)], Store()
    assert written(broken, *away, last, must=[broken, last]).problems == ["ConnectionError: the store is away"]
    assert last.n_calls == 1


def test_a_store_that_stays_away_is_asked_twice_more_and_not_for_every_job():
    stores = [Store(n_failures=100) for _ in range(20)]
    assert written(*stores, must=stores).problems == ["ConnectionError: the store is away"]
    assert sum(store.n_calls for store in stores) == TRIES + AWAY_AFTER - 1 + writer_thread.GIVEN_UP_AT_THE_END
