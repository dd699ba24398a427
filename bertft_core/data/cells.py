"""The checks that every cell of a data file must pass: texts, labels, and columns of 0 and 1."""

import math
import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

from bertft_core.config import UserError
from bertft_core.data.examples import SourceLocation, as_found, shorten

INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
"""Letters and marks that are drawn as nothing: fillers, variation selectors, the empty Braille pattern."""
LARGEST_WHOLE = 2**53
"""Beyond it a float cannot represent every whole number."""


WRITTEN_LIST = re.compile(r"""\[(?:(['"])\S.*\1|\s*-?\d+(?:[,\s]+-?\d+)*\s*|)\]""", re.DOTALL)
"""['a', 'b'], ["a" "b"], [0, 3] or []."""


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
        found=shorten(ascii(value)) if isinstance(value, str) else as_found(value),
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
        found=as_found(value),
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
        found=as_found(value),
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
