"""A slow listener holds nobody up, and gets the newest value."""

from __future__ import annotations

import threading

import pytest

from tasks.newest_only import NewestOnly
from tests.helpers.waiting import until


def test_whoever_has_news_waits_for_nobody_and_the_last_ones_arrive():
    heard, may_go_on, began = list[int](), threading.Event(), threading.Event()

    def tell(value: int) -> None:
        began.set()
        may_go_on.wait()
        heard.append(value)

    listener = NewestOnly(tell)
    listener(1)
    began.wait()
    for value in (2, 3, 4):
        listener(value)
    may_go_on.set()
    listener.close()
    assert heard == [1, 4]


def test_an_error_is_raised_by_the_next_call_and_closing_still_ends():
    def tell(value: int) -> None:
        raise ConnectionError("away")

    listener = NewestOnly(tell)
    listener(1)
    until(lambda: listener._error is not None)
    with pytest.raises(ConnectionError, match="away"):
        listener(2)
    listener.close()
