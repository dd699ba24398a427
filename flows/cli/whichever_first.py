"""Waiting for several things at once, and taking each as soon as it is there."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def as_ready(waits: Sequence[Callable[[], T]]) -> Iterator[T]:
    """What these calls return, in the order in which they do; the first exception of one is raised.

    Their threads do not keep the process: whoever gives up waiting, by Ctrl-C, goes at once.
    """
    ended: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue()

    def wait(call: Callable[[], T]) -> None:
        try:
            ended.put((call(), None))
        except BaseException as error:  # raised where it is taken
            ended.put((None, error))

    for call in waits:
        threading.Thread(target=wait, args=(call,), daemon=True).start()
    for _ in waits:
        value, error = ended.get()
        if error is not None:
            raise error
        yield value  # type: ignore[misc]
