"""How far a file has been read, for whoever waits for it: one channel for all formats, silent unless a command listens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

OnRead = Callable[[Path, int, int], object]
"""Called with a file, the bytes of it that have been read, and its size; of a compressed file, of its compressed bytes."""

_listener: ContextVar[OnRead | None] = ContextVar("reading_progress", default=None)


@contextmanager
def listening(on_read: OnRead) -> Iterator[None]:
    """`on_read` hears of every file that is read in the block, several times for each."""
    token = _listener.set(on_read)
    try:
        yield
    finally:
        _listener.reset(token)


def has_read(path: Path, n_bytes: int, size: int) -> None:
    """Tell the listener, if there is one; readers call it for each piece."""
    if (listener := _listener.get()) is not None:
        listener(path, n_bytes, size)
