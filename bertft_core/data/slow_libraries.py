"""Preparing data up to the point where transformers and torch would be loaded, for whoever has another process with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_avoided = ContextVar("slow_libraries_avoided", default=False)


class LibrariesNeeded(Exception):
    """What was asked for takes transformers and torch: seconds of a core and 300 MiB."""


@contextmanager
def without_slow_libraries() -> Iterator[None]:
    """Whatever needs the libraries raises `LibrariesNeeded` in the block; what is stored already does not."""
    token = _avoided.set(True)
    try:
        yield
    finally:
        _avoided.reset(token)


def need_slow_libraries() -> None:
    """To be called before they are imported. Raises `LibrariesNeeded` inside `without_slow_libraries`."""
    if _avoided.get():
        raise LibrariesNeeded
