"""Text fitted to the width of a terminal: sentences wrapped at words, wide tables in parts, commands on lines of their own.

A command is never broken: what is copied from the terminal can be pasted.
"""

import re
import textwrap
from collections.abc import Iterator
from itertools import groupby

GAP = re.compile(r"\S {2,}\S")
KEY = re.compile(r"( *)(- |do: |\S[^:]{0,12}: +|\S+(?: \S+)? {2,})")
"""What a line begins with that later lines of it are indented by."""
COMMAND = re.compile(r"(?<=[:;]) (?=bertft [^,;()]+$)")
"""Before a command that ends its line."""
LEAST_WIDTH = 40
"""Columns of a narrower terminal are not cared for."""
ROOM = 24
"""Columns that the last one of a table needs to be wrapped there."""


def fitted(text: str, width: int) -> str:
    """The text in lines of at most `width` characters, apart from words and commands that are longer."""
    if width < LEAST_WIDTH or (max(map(len, text.split("\n"))) <= width and not COMMAND.search(text)):
        return text
    lines: list[str] = []
    for is_table, block in groupby(text.split("\n"), key=lambda line: GAP.search(line) is not None):
        rows = list(block)
        if is_table and len(rows) > 1 and max(map(len, rows)) > width:
            lines += _table(rows, width)
        else:
            lines += [part for line in rows for part in _sentence(line, width)]
    return "\n".join(lines)


def _sentence(line: str, width: int) -> Iterator[str]:
    """One line, its command apart, the rest wrapped under its key."""
    found = KEY.match(line)
    indent = len(found.group()) if found else len(line) - len(line.lstrip())
    if indent > width // 2:
        indent = len(line) - len(line.lstrip())
    if line[indent:].startswith("bertft "):
        yield line
        return
    words, *commands = COMMAND.split(line)
    yield from _wrapped(words, width, indent)
    for command in commands:
        yield " " * indent + command


def _wrapped(line: str, width: int, indent: int) -> list[str]:
    if len(line) <= width:
        return [line]
    return textwrap.wrap(
        line[indent:],
        width,
        initial_indent=line[:indent],
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(rows: list[str], width: int) -> list[str]:
    """Its last column wrapped, where that is what is too wide and there is room; else some columns below the others."""
    longest = max(map(len, rows))
    padded = [row.ljust(longest) for row in rows]
    starts = _column_starts(padded)
    if len(starts) == 1:
        return [part for row in rows for part in _sentence(row, width)]
    if starts[-1] + ROOM <= width:
        return [part for row in rows for part in _wrapped(row, width, starts[-1])]
    ends = [*starts[1:], longest]
    parts: list[list[int]] = [[0]]
    for n in range(1, len(starts)):
        used = sum(ends[m] - starts[m] for m in parts[-1])
        if used + ends[n] - starts[n] > width and len(parts[-1]) > 1:
            parts.append([0])
        parts[-1].append(n)
    lines: list[str] = []
    for part in parts:
        lines += [""] * bool(lines)
        lines += ["".join(row[: starts[1]] if n == 0 else row[starts[n] : ends[n]] for n in part).rstrip() for row in padded]
    return lines


def _column_starts(padded: list[str]) -> list[int]:
    """Where columns begin: after at least two columns of blanks in every row; the first one is that of the indentation."""
    blank = [all(row[n] == " " for row in padded) for n in range(len(padded[0]))]
    first = blank.index(False)
    return [0, *(n for n in range(first + 2, len(blank)) if not blank[n] and blank[n - 1] and blank[n - 2])]
