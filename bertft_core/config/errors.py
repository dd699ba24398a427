"""The one error that a user sees: where it is, what was found, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bertft_core.control_characters import INVISIBLE

NEXT_ROW = "\n" + 12 * " "
"""Joins several things that were found, or several hints: each on a line of its own."""

BREAKS = {ord(letter): f"\\u{ord(letter):04x}" for letter in "\t\n\r"}
"""What a path may hold, as escapes: a message names its file in one line."""


class UserError(Exception):
    """A mistake in a config or in data that only the user can fix; the command line prints it and exits with 2.

    `path` and `line` (from 1) say where; `found`, `expected` and `hint` are short phrases without a full stop.
    `code` names the refusal whatever its wording, such as `encoder.weights-missing`: the subject, a dot, what is wrong.
    """

    def __init__(
        self,
        problem: str,
        *,
        code: str = "",
        path: str | Path | None = None,
        line: int | None = None,
        found: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.code = code
        self.problem, self.path, self.line = problem, None if path is None else str(path), line
        self.found, self.expected, self.hint = found, expected, hint
        super().__init__(self._text())

    def within(self, path: str | Path) -> UserError:
        """The same error with the file that it is in."""
        return UserError(**self.fields | {"path": str(path)})

    @property
    def fields(self) -> dict[str, Any]:
        """What the error is made of, to make it again in another process or with a change."""
        return {key: getattr(self, key) for key in ("problem", "code", "path", "line", "found", "expected", "hint")}

    def _text(self) -> str:
        path = None if self.path is None else self.path.translate(BREAKS)
        where = "" if path is None else f"{path}:" + (f"{self.line}: " if self.line else " ")
        rows = [("found", self.found), ("expected", self.expected), ("hint", self.hint)]
        details = [f"  {name + ':':<10}{value}" for name, value in rows if value]
        return "\n".join([where + self.problem, *details]).translate(INVISIBLE)

    def __reduce__(self) -> tuple:
        """Keep every field when the error crosses a process border."""
        return (_rebuild, (self.fields,))


def _rebuild(fields: dict[str, Any]) -> UserError:
    return UserError(**fields)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A suggestion of the nearest known name, or of one that begins with the given one; None if there is no such name."""
    by_folded, given = {item.strip().casefold(): item for item in known}, name.strip().casefold()
    near = difflib.get_close_matches(given, by_folded, n=1, cutoff=0.5)
    near = near or [folded for folded in by_folded if len(given) > 1 and folded.startswith(given)]
    return f"did you mean '{by_folded[near[0]]}'?" if near else None
