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


MOST_SUGGESTIONS, ALIKE, SURELY_ALIKE = 3, 0.5, 0.6
"""How like a name is to a known one, from 0 to 1, that may be a misspelling of it, and that is one whatever its letters."""


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A suggestion of the nearest known name, or of one that begins with the given one; None if there is no such name.

    Where known names are in the same section, such as `head.init` for `head.kind`, their last parts must be alike.
    """
    by_folded, given = {item.strip().casefold(): item for item in known}, name.strip().casefold()
    section = given[: given.rfind(".") + 1]
    if beside := {folded[len(section) :]: item for folded, item in by_folded.items() if folded.startswith(section)}:
        by_folded, given = beside, given[len(section) :]
    near = difflib.get_close_matches(given, by_folded, n=MOST_SUGGESTIONS, cutoff=ALIKE)
    near = [folded for folded in near if _is_misspelt(given, folded)]
    near = near or [folded for folded in by_folded if len(given) > 1 and folded.startswith(given)]
    return f"did you mean '{by_folded[near[0]]}'?" if near else None


def _is_misspelt(name: str, known: str) -> bool:
    """Whether the one may be the other misspelt; they are alike to `ALIKE`, as `seed` and `schedule` are."""
    alike = difflib.SequenceMatcher(None, known, name).ratio() > SURELY_ALIKE
    return alike or (name[:1] == known[:1] and abs(len(name) - len(known)) <= 1)
