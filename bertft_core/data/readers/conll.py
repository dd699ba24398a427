"""CoNLL: one word per line with its tag in another column, and a blank line after each sentence."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.data.examples import Row, shorten
from bertft_core.data.readers.file_options import DEFAULTS, FileOptions
from bertft_core.data.readers.file_text import empty_file, lines_of, wanted_columns

BLANKS = " \t"  # no other white space separates columns: a no-break space is part of its word
DOCUMENT_START = "-DOCSTART-"
COMMENT = "# "
SURE_COMMENT = re.compile(r"# (\w+ = |id \S+ )")  # before a sentence, whatever the number of columns
DEFAULT_COLUMNS = ("0", "-1")
NAMES = {"tokens": "0", "tags": "-1"}
"""The defaults of `data.tokens` and `data.tags`: these files have no names for their columns."""

THE_STUDYS = "use a file with the columns that the study reads"
"""What to do where no key of `data` is about the file."""

Word = tuple[int, str, str | None]
"""Line, word, tag (None where tags are not read)."""


@dataclass(frozen=True, slots=True)
class _ColumnLayout:
    """The layout of a file, and which columns to read (positions from 0)."""

    path: Path
    tabs: bool
    n_columns: int
    line: int
    """The first word's line, which determines the number of columns."""
    word: int
    tag: int | None

    def cells(self, text: str) -> list[str]:
        return _cells(text, self.tabs)


def read_conll(
    path: Path, columns: Sequence[str] = DEFAULT_COLUMNS, labelled: bool = True, *, options: FileOptions = DEFAULTS
) -> Iterator[Row]:
    """Yield (line, (words, tags, lines)) for each sentence; words, tags and lines are tuples of one length.

    Without labels the tags are None, whether or not the file has them; a single column holds the words.

    columns: positions of the words and of the tags as strings ("0", "-1"); "tokens" means the first column and "tags" the
    last, and another name is a `UserError`. Tabs are the separator if any non-blank line has one, else runs of spaces. A line
    that is not a word, or has another number of columns than the first word, is a `UserError`.

    A line that starts with "# " is a comment if it has one column, or if it stands before a sentence and either has
    another number of columns than the words or looks like "# key = value" or "# id 7 …"; else '#' is a word.
    """
    lines = [(number, line) for number, line in enumerate(lines_of(path, options), start=1)]
    yield from sentences_of(_words(lines, _layout_of(path, lines, columns, labelled, options)))


def sentences_of(words: Iterable[Word | None]) -> Iterator[Row]:
    """Group words into sentences at each None: (line, (words, tags, lines))."""
    sentence: list[Word] = []
    for word in chain(words, [None]):
        if word is not None:
            sentence.append(word)
        elif sentence:
            lines, texts, tags = zip(*sentence, strict=True)
            yield lines[0], (texts, tags, lines)
            sentence = []


def _words(lines: Iterable[tuple[int, str]], layout: _ColumnLayout) -> Iterator[Word | None]:
    inside = False
    for number, text in lines:
        if _separates(text):
            inside = False
            yield None
        elif not _is_comment(text, layout, inside):
            inside = True
            yield _word(number, text, layout)


def _word(number: int, text: str, layout: _ColumnLayout) -> Word:
    cells = layout.cells(text)
    if len(cells) != layout.n_columns or (len(cells) == 1 and layout.tag is not None):
        many = "only one column" if len(cells) == 1 else f"too {'few' if len(cells) < layout.n_columns else 'many'} columns"
        separator = "tab" if layout.tabs else "space"
        as_before = f"{layout.n_columns} columns, as on line {layout.line}"
        raise UserError(
            f"the line has {many}",
            code="conll.columns-of-line",
            path=layout.path,
            line=number,
            found=f"{len(cells)} (this file is separated by {separator}s): {shorten(text)!r}",
            expected="a word and its tag" if layout.n_columns == 1 else as_before,
            hint=f"put one {separator} between word and tag, and a blank line between sentences",
        )
    tag = None if layout.tag is None else cells[layout.tag]
    for name, cell in (("word", cells[layout.word]), ("tag", "none" if tag is None else tag)):
        if not cell.strip():
            raise UserError(
                f"the {name} is empty",
                code="conll.empty-cell",
                path=layout.path,
                line=number,
                found=repr(text),
                expected="a word and its tag",
                hint="fill it in, or leave the line blank if a sentence ends here",
            )
    return number, cells[layout.word], tag


def _layout_of(
    path: Path, lines: Sequence[tuple[int, str]], columns: Sequence[str], labelled: bool, options: FileOptions
) -> _ColumnLayout:
    written = [(number, text) for number, text in lines if not _separates(text)]
    sure = [(number, text) for number, text in written if not text.startswith(COMMENT)]
    tabs = any("\t" in text for _, text in sure or written)
    words = sure or [(number, text) for number, text in written if len(_cells(text, tabs)) == 2]  # '#' alone and its tag
    if not words:
        raise empty_file(path, "one word and its tag on each line")
    line, text = words[0]
    n_columns = len(_cells(text, tabs))
    wanted = wanted_columns(path, columns, DEFAULT_COLUMNS, "words and tags")
    word, tag = (_place(path, line, name, n_columns, text, options) for name in wanted)
    if not labelled and (n_columns == 1 or 0 <= word < n_columns):
        return _ColumnLayout(path, tabs, n_columns, line, 0 if n_columns == 1 else word, None)
    if n_columns > 1 and (word == tag or not (0 <= word < n_columns and 0 <= tag < n_columns)):
        raise UserError(
            "words and tags are read from the same column" if word == tag else "there is no such column",
            code="conll.no-column",
            path=path,
            line=line,
            found=f"{n_columns} columns: {shorten(text)!r}",
            expected=f"two of the positions 0 to {n_columns - 1} (or -1 for the last), not {', '.join(columns)}",
            hint=options.hint("correct data.tokens or data.tags", THE_STUDYS),
        )
    return _ColumnLayout(path, tabs, n_columns, line, word, tag)


def _place(path: Path, line: int, name: str, n_columns: int, text: str, options: FileOptions) -> int:
    """The position of a column, counted from 0. Raises `UserError` for a name that is none of a position."""
    written = NAMES.get(name, name)
    if not re.fullmatch(r"-?[0-9]{1,9}", written):
        raise UserError(
            f"CoNLL files have no column names, so there is no column '{shorten(name)}'",
            code="conll.column-by-name",
            path=path,
            line=line,
            found=f"{n_columns} columns: {shorten(text)!r}",
            expected=f"positions: 0 to {n_columns - 1}, or -1 for the last",
            hint=options.hint("give data.tokens and data.tags as positions, such as 0 and -1, or remove them", THE_STUDYS),
        )
    position = int(written)
    return position + n_columns if position < 0 else position


def _cells(text: str, tabs: bool) -> list[str]:
    return [cell.strip(" ") for cell in text.split("\t")] if tabs else [cell for cell in text.split(" ") if cell]


def _separates(text: str) -> bool:
    return not text.strip() or re.split(f"[{BLANKS}]", text, maxsplit=1)[0] == DOCUMENT_START


def _is_comment(text: str, layout: _ColumnLayout, inside: bool) -> bool:
    if not text.startswith(COMMENT):
        return False
    n_columns = len(layout.cells(text))
    return n_columns == 1 or (not inside and (n_columns != layout.n_columns or bool(SURE_COMMENT.match(text))))
