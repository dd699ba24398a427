"""`--set KEY=VALUE`: set one value of a study before it is validated."""

import difflib
import itertools
import re
from typing import Any

from pydantic_core import PydanticCustomError

from bertft_core.config import yaml_text
from bertft_core.config.errors import UserError
from bertft_core.config.grids import expand_grids
from bertft_core.config.locations import dotted

INDEX = re.compile(r"\[([0-9]+)\]")
"""The place of an item in a list, as it is written in a key."""


def apply_override(values: dict[str, Any], override: str) -> yaml_text.Path:
    """Set an override's value (read as YAML) in plain values, in place, and return its path.

    Missing mappings on the path are created, except arms: a mistyped arm name must not become a new arm. A new arm is given
    as a whole, as in `arms.wide={batch_size: 64}`. Raises `UserError` for a malformed override or a path that does not exist.
    """
    if yaml_text.NEVER_TEXT.search(override):
        raise UserError(
            "the override is not a text in UTF-8",
            code="config.override-not-text",
            path=f"--set {override!r}",
            expected="KEY=VALUE",
            hint="type it again in a terminal that uses UTF-8",
        )
    key, equals, text = override.partition("=")
    parts = INDEX.sub(r".[\1]", key.strip()).split(".")
    if not equals or not all(parts):
        raise UserError(
            "an override must be KEY=VALUE",
            code="config.override-without-value",
            path=f"--set {override}",
            expected="a key, =, and a value, such as arms.full.learning_rate=3e-5",
            hint="add what is missing",
        )
    value = _value(text, override)
    parts = _as_written(values, parts)
    at: Any = values
    path: yaml_text.Path = ()
    for part, below in itertools.pairwise(parts):
        place = _place(at, part, path, override)
        if path == ("arms",) and isinstance(at, dict) and part not in at:
            at = values["arms"] = _with_grids(values)
        if path == ("arms",) and isinstance(at, dict) and part not in at:
            raise _no_such_arm(part, at, override)
        if path == () and part == "head" and isinstance(at.get(part), str):
            at[part] = {"kind": at[part]}  # a head's name alone is short for it
        if isinstance(at, dict) and at.get(part) is None:
            if INDEX.fullmatch(below):
                name = dotted((*path, part))
                raise _refused(override, f"'{name}' is not given, so it has no item {below}", f"the whole of it: {name}=…")
            at[part] = {}
        at, path = at[place], (*path, place)
    last = _place(at, parts[-1], path, override)
    at[last] = value
    return (*path, last)


def _as_written(values: Any, parts: list[str]) -> list[str]:
    """The parts of a key, joined again where a mapping has them as one dotted key, such as `strategies.llrd.decay`."""
    found: list[str] = []
    at: Any = values
    while parts:
        longest = range(len(parts), 1, -1) if isinstance(at, dict) else ()
        n = next((n for n in longest if ".".join(parts[:n]) in at), 1)
        key, parts = ".".join(parts[:n]), parts[n:]
        found.append(key)
        at = at.get(key) if isinstance(at, dict) else None
    return found


def _with_grids(values: dict[str, Any]) -> dict[str, Any]:
    """The arms, with those that grids make: an override may name one of them."""
    try:
        return dict(expand_grids(values)["arms"])
    except PydanticCustomError:  # the study is refused for it
        return dict(values["arms"])


def _value(text: str, override: str) -> Any:
    try:
        return yaml_text.read_value(text)
    except UserError as error:
        raise UserError(
            "the value is not valid YAML",
            code=error.code,
            path=f"--set {override}",
            found=error.problem,
            expected="one value, such as 3e-5, [8, 16] or {low: 1, high: 2}",
            hint=error.hint,
        ) from None


def _place(at: Any, part: str, path: yaml_text.Path, override: str) -> int | str:
    """The key or the index that a part means in a container."""
    number = INDEX.sub(r"\1", part)
    if isinstance(at, dict):
        if number != part:
            raise _refused(override, f"'{dotted(path)}' is a mapping without items", f"one of its keys instead of {part}")
        return part
    if isinstance(at, list) and re.fullmatch("[0-9]{1,9}", number) and int(number) < len(at):
        return int(number)
    if isinstance(at, list) and not at:
        raise _refused(override, f"'{dotted(path)}' is an empty list", f"the whole list: {dotted(path)}=[…]")
    if isinstance(at, list):
        raise _refused(override, f"'{dotted(path)}' is a list", f"an index from 0 to {len(at) - 1} instead of '{number}'")
    raise _refused(override, f"'{dotted(path)}' holds a single value, {at!r}, and no keys", f"a key that has '{part}' below it")


def _no_such_arm(arm: str, arms: dict[str, Any], override: str) -> UserError:
    near = difflib.get_close_matches(arm, list(arms), n=1)
    return UserError(
        f"there is no arm '{arm}'",
        code="config.no-such-arm",
        path=f"--set {override}",
        found=arm,
        expected=f"one of {', '.join(arms)}",
        hint=f"did you mean '{near[0]}'?" if near else f"correct the name, or give a new arm as a whole: arms.{arm}={{…}}",
    )


def _refused(override: str, problem: str, expected: str) -> UserError:
    return UserError(
        problem,
        code="config.override-misplaced",
        path=f"--set {override}",
        expected=expected,
        hint="correct the key before the first =",
    )
