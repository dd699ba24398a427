"""CoNLL-U (Universal Dependencies): syntactic words only, without multi-word tokens and empty nodes.

Source: https://universaldependencies.org/format.html
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.data.examples import Row, shorten
from bertft_core.data.readers.conll import THE_STUDYS, Word, sentences_of
from bertft_core.data.readers.file_options import DEFAULTS, FileOptions
from bertft_core.data.readers.file_text import each_line, empty_file, wanted_columns

N_COLUMNS = 10
PLACES = {"form": 1, "lemma": 2, "upos": 3, "xpos": 4, "feats": 5, "deprel": 7}
DEFAULT_COLUMNS = ("form", "upos")
SHORT_NAMES = {"tokens": "form", "tags": "upos"}
UNSPECIFIED = "_"
ALWAYS_SPECIFIED = ("upos", "xpos", "deprel")  # elsewhere '_' is a value: no features, or the word or lemma '_' itself
WORD_ID = re.compile(r"[0-9]+")
RANGE_OR_EMPTY_NODE = re.compile(r"[0-9]+-[0-9]+|[0-9]+\.[0-9]+")


def read_conllu(
    path: Path, columns: Sequence[str] = DEFAULT_COLUMNS, labelled: bool = True, *, options: FileOptions = DEFAULTS
) -> Iterator[Row]:
    """Yield (line, (words, tags, lines)) for each sentence; words, tags and lines are tuples of one length.

    Without labels the tags are None, whatever is in their column.

    columns: names from `PLACES` for the words and the tags; 'tokens' means form, 'tags' means upos. A line without
    ten columns, ids other than 1, 2, 3, … and an empty word or tag are each a `UserError`.
    """
    words, tags = wanted_columns(path, columns, DEFAULT_COLUMNS, "words and tags")
    lines = (line.removesuffix("\n").rstrip("\r") for line in each_line(path, options))
    form, tag = _name(words, path, options), _name(tags, path, options) if labelled else None
    sentences = sentences_of(_words(path, lines, form, tag, options))
    first = next(sentences, None)
    if first is None:
        raise empty_file(path, "sentences in CoNLL-U")
    yield first
    yield from sentences


def _name(column: str, path: Path, options: FileOptions) -> str:
    name = SHORT_NAMES.get(column, column)
    if name not in PLACES:
        raise UserError(
            f"CoNLL-U has no column '{column}'",
            code="conllu.no-column",
            path=path,
            expected=f"one of {', '.join(PLACES)}",
            hint=options.hint(did_you_mean(column, PLACES) or "correct data.tokens or data.tags", THE_STUDYS),
        )
    return name


def _words(path: Path, lines: Iterable[str], form: str, tag: str | None, options: FileOptions) -> Iterator[Word | None]:
    n_words = 0
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            n_words = 0
            yield None
        elif not text.startswith("#") and not RANGE_OR_EMPTY_NODE.fullmatch((cells := _cells(text, path, number, options))[0]):
            n_words += 1
            if not WORD_ID.fullmatch(cells[0]) or cells[0].lstrip("0") != str(n_words):
                raise UserError(
                    "word ids are out of order",
                    code="conllu.word-ids",
                    path=path,
                    line=number,
                    found=repr(cells[0]),
                    expected=f"id {n_words}",
                    hint="number the words of each sentence 1, 2, 3, … and put a blank line between sentences",
                )
            yield number, _cell(cells, form, path, number), None if tag is None else _cell(cells, tag, path, number)


def _cells(text: str, path: Path, line: int, options: FileOptions) -> list[str]:
    cells = text.split("\t")
    if len(cells) == N_COLUMNS:
        return cells
    raise UserError(
        f"the line has too {'many' if len(cells) > N_COLUMNS else 'few'} columns",
        code="conllu.columns-of-line",
        path=path,
        line=line,
        found=f"{len(cells)} between tabs: {shorten(text)!r}",
        expected=f"{N_COLUMNS} columns between tabs",
        hint="write '_' in columns without a value; for a file with only words and tags, "
        + options.hint("set data.format: conll", "give --format conll"),
    )


def _cell(cells: Sequence[str], name: str, path: Path, line: int) -> str:
    value = cells[PLACES[name]].strip(" ")
    if value.strip() and not (value == UNSPECIFIED and name in ALWAYS_SPECIFIED):
        return value
    raise UserError(
        f"the {name} of the word is {'unspecified' if value else 'empty'}",
        code="conllu.empty-cell",
        path=path,
        line=line,
        found=shorten(" ".join(cells)),
        expected=f"a value in column {PLACES[name] + 1}",
        hint="fill it in or choose another column",
    )
