"""Names of arms in the sentences of a page, each beside the colour that its points and lines have.

Sentences are made of a record that has a mark in the place of each name, and the finished page gets names for marks: no other
word that is spelled like an arm (`seeds`, `full`) is taken for one, and what makes the sentences knows nothing of pages.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, TypeVar

from pydantic import BaseModel

from bertft_core.control_characters import visible
from bertft_core.records.comparison_record import ComparedArmRecord
from bertft_core.report.drawings.look import of_place

Record = TypeVar("Record", bound=BaseModel)
OPEN, CLOSE = "\ufdd0", "\ufdd1"
"""Unicode keeps these out of texts, for the inside of programs."""
MARK = re.compile(f"{OPEN}([0-9]+){CLOSE}")
FIELDS = frozenset({"arm", "baseline"})
"""Of the records of a study; an arm of a comparison has its `name`."""


def marked(record: Record, arms: Sequence[str]) -> Record:
    """The record with a mark in the place of each of these arms' names."""
    found: Record = _marked(record, {arm: f"{OPEN}{i}{CLOSE}" for i, arm in enumerate(arms)})
    return found


def named(page: str, arms: Sequence[str]) -> str:
    """The HTML with names and colours in the places of the marks; a mark of no arm stays as it is."""
    shown = [f"{_dot(i)}{escape(visible(arm))}" for i, arm in enumerate(arms)]
    chips = {f"{OPEN}{i}{CLOSE}": f'<span class="named">{chip}</span>' for i, chip in enumerate(shown)}
    return MARK.sub(lambda found: chips.get(found[0], found[0]), page)


def _dot(position: int) -> str:
    return f'<span class="swatch {of_place(position)}"></span>'


def _marked(value: Any, marks: Mapping[str, str]) -> Any:
    if isinstance(value, BaseModel):
        fields = FIELDS | {"name"} if isinstance(value, ComparedArmRecord) else FIELDS
        held = {name: getattr(value, name) for name in type(value).model_fields}
        changed = {name: marks.get(old, old) if name in fields else _marked(old, marks) for name, old in held.items()}
        return value.model_copy(update={name: new for name, new in changed.items() if new is not held[name]})
    if isinstance(value, tuple | list):
        return type(value)(_marked(each, marks) for each in value)
    return value
