"""Examples with their source location, and the checks that every cell must pass."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from bertft_core.config import UserError
from bertft_core.config.errors import did_you_mean
from bertft_core.records.data_card import SplitOrigin

Row = tuple[int, tuple[object, ...]]
"""Line (or row number where a format has no lines, from 1) and the cells of the wanted columns."""


INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters and marks that are drawn as nothing: fillers, variation selectors, the empty Braille pattern."""
LARGEST_WHOLE = 2**53
"""Beyond it a float cannot represent every whole number."""


WRITTEN_LIST = re.compile(r"""\[(?:(['"])\S.*\1|\s*-?\d+(?:[,\s]+-?\d+)*\s*|)\]""", re.DOTALL)
"""['a', 'b'], ["a" "b"], [0, 3] or []."""


class Answer(NamedTuple):
    """A span of a context that answers a question."""

    text: str
    start: int
    """Index of its first character in the context."""


Label = str | float | tuple[str, ...] | tuple[Answer, ...] | None
"""Target of an example: a label, a number, labels or tags, answers, or nothing."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text or a pair of texts, a sentence of words, or a question with its context, with its target."""

    id: str
    """`<split>-<position in its source, from 0>`, or its id in the data; unchanged when it moves to another split."""
    texts: tuple[str, ...]
    label: Label
    line: int
    lines: tuple[int, ...] = ()
    """Line of each word, where every word has its own."""
    context: str = ""
    """Examples with the same context, or else the same texts, always stay in one split."""

    @property
    def key(self) -> tuple[str, ...]:
        """The texts with case and white space normalised: examples with equal keys are duplicates."""
        return tuple(" ".join(text.casefold().split()) for text in self.texts)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The label, or the labels or tags in order; empty for other targets."""
        label = (self.label,) if isinstance(self.label, str) else self.label
        return tuple(name for name in label if isinstance(name, str)) if isinstance(label, tuple) else ()

    @property
    def stratum(self) -> str:
        """Stratum for splitting: the label if there is exactly one, else the same for all examples."""
        return self.label if isinstance(self.label, str) else ""


class SourceLocation(NamedTuple):
    """Where a row was read, for messages."""

    path: str
    line: int


@dataclass(frozen=True)
class RawSplit:
    """The examples of one split before tokenising."""

    examples: tuple[Example, ...]
    path: str
    """File or hub split they were read from, for messages."""
    origin: SplitOrigin
    """The same for the card, and how the split was made."""

    def derived(self, examples: tuple[Example, ...], **how: str | bool | int) -> RawSplit:
        """A split made from this one; `how` are fields of `SplitOrigin`."""
        return RawSplit(examples, self.path, self.origin.model_copy(update=how))

    @property
    def label_counts(self) -> dict[str, int]:
        """Label → number of examples, in order of first occurrence; of labels that are one name each."""
        counts: dict[str, int] = {}
        for example in self.examples:
            counts[example.stratum] = counts.get(example.stratum, 0) + 1
        return counts


ReadExample = Callable[[str, tuple[object, ...], SourceLocation], Example]
"""A name to give and the cells of a row → the example; raises `UserError` for a row that is none."""


def read_split(rows: Iterable[Row], *, name: str, path: str, read_example: ReadExample) -> RawSplit:
    """Turn rows into examples; raises `UserError` at the first invalid row, or if there are none."""
    examples = tuple(
        read_example(f"{name}-{position:05d}", cells, SourceLocation(path, line)) for position, (line, cells) in enumerate(rows)
    )
    if not examples:
        raise no_examples(path, "at least one labelled text")
    return RawSplit(examples, path, SplitOrigin(path=path))


def no_examples(path: str, expected: str) -> UserError:
    """The error for a file of a header, or of nothing that is an example."""
    problem = "the file has no examples"
    return UserError(problem, code="data.no-examples", path=path, line=1, expected=expected, hint="add examples")


def text_of(value: object, column: str, place: SourceLocation) -> str:
    """A cell that must be a text with something to see."""
    if isinstance(value, str) and is_visible(value) and is_unicode(value):
        return value
    empty = value is None or (isinstance(value, str) and not is_visible(value))
    raise UserError(
        f"the text in column '{column}' is empty" if empty else f"the cell in column '{column}' is not a text",
        code="text.empty-or-not-text",
        path=place.path,
        line=place.line,
        found=shorten(ascii(value)) if isinstance(value, str) else shorten(repr(value)),
        expected="a text with at least one visible character",
        hint="fill it in or remove the example",
    )


def is_visible(text: str) -> bool:
    """Whether a text has a character to see: no white space, control or format character, and none that is drawn as nothing."""
    first = text[:1]  # which decides for nearly all texts
    return (first.isascii() and first.isalnum()) or any(
        unicodedata.category(c) not in INVISIBLE_CATEGORIES and not INVISIBLE.match(c) for c in text
    )


def is_unicode(text: str) -> bool:
    """Whether a text can be encoded; JSON can contain half a surrogate pair, which no tokenizer accepts."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def label_of(value: object, column: str, place: SourceLocation) -> str:
    """A cell that must be the name of a label: a text, a whole number (also as float or decimal) or a boolean."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    is_number = isinstance(value, float | Decimal)
    number = float(value) if isinstance(value, float | Decimal) else math.nan
    if abs(number) < LARGEST_WHOLE and number.is_integer():
        return str(int(number))
    if isinstance(value, str) and is_visible(value) and is_unicode(value):
        return value.strip()
    missing = value is None or (isinstance(value, str) and not is_visible(value)) or (is_number and math.isnan(number))
    raise UserError(
        f"the label in column '{column}' is missing" if missing else f"the value in column '{column}' is not a label",
        code="label.missing-or-not-label",
        path=place.path,
        line=place.line,
        found=shorten(repr(value)),
        expected="a name or an integer",
        hint="label the example or remove it"
        if missing
        else "to learn numbers, set head: regression"
        if is_number
        else "write the label as a name; for several labels in a list, set head: multi_label",
    )


def refuse_written_list(value: object, column: str, place: SourceLocation, instead: str) -> None:
    """Raise `UserError` for a text that is a list as Python, NumPy or JSON writes it: its brackets are not part of the data."""
    if isinstance(value, str) and WRITTEN_LIST.fullmatch(value.strip()):
        raise UserError(
            f"the cell in column '{column}' holds a list written as text",
            code="data.list-written-as-text",
            path=place.path,
            line=place.line,
            found=shorten(value),
            expected=f"{instead}, or a list in JSONL or Parquet",
            hint="convert the column, or write the file as JSONL",
        )


def is_on(value: object, column: str, place: SourceLocation) -> bool:
    """Whether a cell of a one-hot column says that its label applies: 1 or 0, true or false."""
    text = str(int(value)) if isinstance(value, float | Decimal) and value in (0, 1) else str(value).strip().lower()
    if text in ("0", "1", "true", "false"):
        return text in ("1", "true")
    raise UserError(
        f"the cell in column '{column}' does not say whether the label '{column}' applies",
        code="label.not-one-hot",
        path=place.path,
        line=place.line,
        found=shorten(repr(value)),
        expected="0 or 1, true or false, in each column of data.label",
        hint="correct it, or name a single column of labels in data.label",
    )


def only_one_of(names: object, columns: Sequence[str], place: SourceLocation) -> str:
    """The only label of one-hot columns that applies."""
    if isinstance(names, list) and len(names) == 1:
        return str(names[0])
    raise UserError(
        "not exactly one of the label columns is 1",
        code="label.not-exactly-one",
        path=place.path,
        line=place.line,
        found=", ".join(names) if isinstance(names, list) and names else "none",
        expected=f"one of {shorten(', '.join(columns))}",
        hint="correct the row, or set head: multi_label, where any number of labels applies",
    )


def place_columns(
    wanted: Sequence[str], found: Sequence[str], *, path: str, line: int, hint: Callable[[], str | None] = lambda: None
) -> list[int]:
    """Position of each wanted column, which may differ in case if only one does.

    A `UserError` for a missing one lists the columns and suggests the nearest, or gives the `hint` of the caller.
    """
    places = [nearest_column(name, found) for name in wanted]
    for name, place in zip(wanted, places, strict=True):
        if place is not None:
            continue
        twice = name in found
        raise UserError(
            f"duplicate column '{name}'" if twice else f"there is no column '{name}'",
            code="data.column-missing-or-duplicate",
            path=path,
            line=line,
            found=shorten(", ".join(found), 200) or "no columns",
            expected=f"the columns {', '.join(dict.fromkeys(wanted))}" + (", each exactly once" if twice else ""),
            hint="rename one of them in the file"
            if twice
            else hint() or did_you_mean(name, found) or "correct data.text and data.label, or the file's column names",
        )
    return [place for place in places if place is not None]


def nearest_column(name: str, found: Sequence[str]) -> int | None:
    """Position of the column of this name, or else of the only one that differs in case and outer white space alone."""
    if name in found:
        return found.index(name) if found.count(name) == 1 else None
    alike = [position for position, other in enumerate(found) if other.strip().casefold() == name.strip().casefold()]
    return alike[0] if len(alike) == 1 else None


def shorten(text: str, n_characters: int = 80) -> str:
    """The text on one line, shortened with an ellipsis."""
    flat = " ".join(text.split())
    return flat if len(flat) <= n_characters else flat[: n_characters - 1] + "…"
