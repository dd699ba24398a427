"""What label names look like: numbers, several labels in one cell, and names that a reader takes for the same one."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

MAX_NUMBERED_CLASSES = 20
"""More distinct whole numbers than this are a measure rather than classes."""
SEPARATORS = ("|", ";", ",")
NUMBER = re.compile(r"[+-]?\d{1,300}(\.\d*)?([eE][+-]?\d{1,3})?|[+-]?\.\d+")
LOOK_ALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјорсухһԁԛԝ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχ",
    "ABESIJKMHOPCTYXaesijopcyxhdqw" + "ABEZHIKMNOPTYXaikvoptux",
)
"""Cyrillic and Greek letters → the Latin letters that they look like (a part of Unicode's confusables, UTS 39)."""
INVISIBLE = ("Cf", "Cc")
"""Categories of zero-width and control characters."""


def number_of(cell: object) -> Decimal | None:
    """The number that a cell is or spells; None for anything else, NaN and infinity."""
    if isinstance(cell, bool) or not isinstance(cell, int | float | str | Decimal):
        return None
    text = unicodedata.normalize("NFKC", str(cell)).strip()
    return Decimal(text) if NUMBER.fullmatch(text) else None


def is_whole(number: Decimal) -> bool:
    """Whether a number has no decimals but zeros: 1 and 1.0 are the same label."""
    return number == number.to_integral_value()


def are_a_measure(numbers: Iterable[Decimal]) -> bool:
    """Whether numbers measure something rather than name classes: any has decimals, or there are many different ones."""
    different = set(numbers)
    return len(different) > MAX_NUMBERED_CLASSES or not all(map(is_whole, different))


def separator_of(cells: Iterable[str]) -> str | None:
    """What separates several labels in one cell; None where each cell is one label.

    Every part must occur in two different cells at least, or a comma within a name would be taken for a separator.
    """
    different = set(cells)
    for separator in SEPARATORS:
        parts = Counter(part.strip() for cell in different for part in set(cell.split(separator)))
        joined = {part.strip() for cell in different if separator in cell for part in cell.split(separator)}
        if joined and all(part and parts[part] > 1 for part in joined):
            return separator
    return None


def look_alikes(names: Sequence[str]) -> list[list[str]]:
    """Groups of names that differ only by case, Unicode form, invisible characters, similar letters or number spelling."""
    groups: list[list[str]] = []
    for key in (_same_letters, _same_shapes):
        groups += [group for group in _grouped(names, key) if group not in groups]
    return [group for group in groups if not any(set(group) < set(other) for other in groups)]


def _grouped(names: Sequence[str], key: Callable[[str], str]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(key(name), []).append(name)
    return [group for group in found.values() if len(group) > 1]


def _same_letters(name: str) -> str:
    number = number_of(name)
    if number is not None:
        return str(number.normalize() + 0)
    visible = "".join(letter for letter in unicodedata.normalize("NFKC", name) if unicodedata.category(letter) not in INVISIBLE)
    return unicodedata.normalize("NFKC", " ".join(visible.casefold().split()))


def _same_shapes(name: str) -> str:
    return _same_letters(unicodedata.normalize("NFKC", name).translate(LOOK_ALIKES))
