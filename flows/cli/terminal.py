"""What the commands say in a terminal: every line goes through one place, which shows control characters as escapes."""

import os
from collections.abc import Iterable
from typing import Any, TextIO

from bertft_core.control_characters import visible


def say(*words: Any, sep: str = " ", end: str = "\n", file: TextIO | None = None, flush: bool = False) -> None:
    """Print words, escaped; to stdout unless a file is given."""
    print(visible(sep.join(map(str, words))), end=end, file=file, flush=flush)


def name_width(names: Iterable[str]) -> int:
    """Characters of a column of arms' names."""
    return max(16, *map(len, names))


def has_screen(stream: TextIO) -> bool:
    """The stream is a terminal whose lines can be written again."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"
