"""Libraries that another library imports wherever it finds them, left out of a process that has no use for them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def absent(*packages: str) -> Iterator[None]:
    """Imports in the block, and looks whether they could be imported, find none of the packages.

    A library that looks once, as transformers does, goes on as where they are not installed. One that is imported already stays.
    """
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is how Python marks what cannot be imported
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
