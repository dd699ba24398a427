"""How transformers and torch are imported where data turn out to need them: as they come, in another way, or not at all."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class LibrariesNeeded(Exception):
    """What was asked for takes transformers and torch: seconds of a core and 300 MiB."""


def _as_they_come() -> None:
    """The imports that follow do it."""


_imported = ContextVar[Callable[[], object]]("slow_libraries_imported", default=_as_they_come)


@contextmanager
def slow_libraries(imported: Callable[[], object]) -> Iterator[None]:
    """In the block `imported` is called before the libraries are needed, each time."""
    token = _imported.set(imported)
    try:
        yield
    finally:
        _imported.reset(token)


def refuse_slow_libraries() -> None:
    """For whoever has another process with the libraries. Raises `LibrariesNeeded`; what is stored already needs none."""
    raise LibrariesNeeded


def need_slow_libraries() -> None:
    """To be called before they are imported. Raises what `slow_libraries` was given to raise."""
    _imported.get()()
