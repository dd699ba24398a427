"""Control characters, shown as escapes wherever words of the user are printed: nothing moves a cursor or turns a text around."""

import re
from typing import Any

from markupsafe import Markup

CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ufffe\\uffff]")
"""All of C0 and C1 but tab and line feed, what changes the direction or the line of a text, and what XML does not allow."""

BREAKS = re.compile("[\\t\\n]")
INVISIBLE = {letter: f"\\u{letter:04x}" for letter in (0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF)}
"""Characters without width, as escapes: two labels that look the same differ by them."""


def visible(text: str) -> str:
    """The text with control characters as `\\u001b`, as JSON writes them: no data can move the cursor or hide a part."""
    return CONTROL.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def in_one_line(text: str) -> str:
    """A name with its line ends, tabs and characters without width as escapes too: a file or a label may be called anything."""
    return visible(BREAKS.sub(lambda match: f"\\u{ord(match.group()):04x}", text)).translate(INVISIBLE)


def shown(value: Any) -> Any:
    """A value of a template: words with their control characters as escapes, everything else as it is."""
    if isinstance(value, Markup):
        return Markup(visible(str(value)))
    return visible(value) if isinstance(value, str) else value
