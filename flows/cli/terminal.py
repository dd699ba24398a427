"""What the commands say in a terminal: every line goes through one place, which shows control characters as escapes."""

import re
from typing import Any, TextIO

CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]")
"""All of C0 and C1 but tab and line feed, and what changes the direction or the line of a text."""


def visible(text: str) -> str:
    """The text with control characters as `\\u001b`, as JSON writes them: no data can move the cursor or hide a part."""
    return CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def say(*words: Any, sep: str = " ", end: str = "\n", file: TextIO | None = None, flush: bool = False) -> None:
    """Print words, escaped; to stdout unless a file is given."""
    print(visible(sep.join(map(str, words))), end=end, file=file, flush=flush)
