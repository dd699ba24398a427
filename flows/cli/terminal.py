"""What the commands say in a terminal: every line goes through one place, which shows control characters as escapes.

Answers go to stdout, everything else to stderr. `-q` leaves answers, warnings and errors; `-v` adds what is computed; with
`--json` the answer is one JSON value, and nothing else is on stdout.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, TextIO

from bertft_core.control_characters import visible
from flows.cli.fitting import fitted


class Level(IntEnum):
    """How much is said."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


class _Manner:
    """How this command speaks."""

    level = Level.NORMAL
    as_json = False


def speak(level: Level = Level.NORMAL, *, as_json: bool = False) -> None:
    """From here on, this much, and in JSON or in words."""
    _Manner.level, _Manner.as_json = level, as_json


def answer_in_json(asked: bool) -> bool:
    """The callback of every `--json`: words for people no longer go to stdout."""
    _Manner.as_json = _Manner.as_json or asked
    return asked


def set_level(level: Level) -> None:
    """From here on, this much."""
    _Manner.level = level


def is_quiet() -> bool:
    """Only the answer, warnings and errors are wanted."""
    return _Manner.level == Level.QUIET


def say(*words: Any, sep: str = " ", end: str = "\n", file: TextIO | None = None, flush: bool = False) -> None:
    """Print words, escaped; to stdout unless a file is given, as the answer or a part of it."""
    if file is None and _Manner.as_json:
        return
    text = visible(sep.join(map(str, words)))
    stream = file or sys.stdout
    if has_screen(stream):
        text = fitted(text, shutil.get_terminal_size().columns)
    print(text, end=end, file=stream, flush=flush)


def say_json(value: Any) -> None:
    """Print the answer of `--json`: one value, as plain types or as JSON already."""
    text = value if isinstance(value, str) else json.dumps(value, indent=1)
    print(visible(text))


def note(*words: Any) -> None:
    """What happens meanwhile, on stderr; not with `-q`."""
    if not is_quiet():
        say(*words, file=sys.stderr, flush=True)


def detail(*words: Any) -> None:
    """What is computed, on stderr; only with `-v`."""
    if _Manner.level == Level.VERBOSE:
        say(*words, file=sys.stderr, flush=True)


def advise(*words: Any) -> None:
    """What goes with an answer, on stdout: where it lies, and what can be done next; not with `-q`."""
    if not is_quiet():
        say(*words)


def warn(text: Any) -> None:
    """What went wrong without ending the command, on stderr."""
    say(f"warning   {text}", file=sys.stderr, flush=True)


def name_width(names: Iterable[str]) -> int:
    """Characters of a column of arms' names."""
    return max(16, *map(len, names))


def has_screen(stream: TextIO) -> bool:
    """The stream is a terminal whose lines can be written again."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"
