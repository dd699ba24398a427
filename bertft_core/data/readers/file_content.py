"""What a file seems to be, by its beginning: only for messages and for what `recommend` writes, never to read it that way."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.data.readers.decoding import encoding_by_mark
from bertft_core.data.readers.file_options import DEFAULTS
from bertft_core.data.readers.file_text import N_CHUNK, chunks_of
from bertft_core.data.readers.table_shape import MIN_WORDS
from bertft_core.data.usual_columns import EVERY_NAME

N_LINES = 200
MAX_SENTENCE_COLUMNS = 6
MIN_ROWS = 10
"""Of a CSV file whose columns have no usual names: a few lines of prose may have one comma each."""
TAG = re.compile(r"O|[BIESLUM]-\S+|[A-Z$.,:]{1,6}")
"""Of an entity, or a part of speech."""
JSON = re.compile(r'\s*(\[\s*)?\{\s*"')
"""How an object, or a list of them, begins: prose and names of columns may begin with a bracket too."""
QUESTIONS = re.compile(r'\s*\{\s*("version"\s*:\s*("[^"]*"|[\d.]+)\s*,\s*)?"(data|paragraphs)"\s*:')
"""How the one line of a SQuAD file begins, whatever follows; another object on one line is JSON lines with one row."""
OF_QUESTIONS = re.compile(r'"(question|paragraphs|qas)"\s*:')
ONE_LIST = "the file is one JSON list: write each of its objects on a line of its own, and let the file end in .jsonl"
DELIMITERS = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "'|'"}


def format_by_content(path: Path, encoding: str = DEFAULTS.encoding) -> str | None:
    """The format that the first lines look like: conll, conllu, csv, jsonl, squad or tsv; None for plain text and all else."""
    lines = _beginning(path, encoding)
    written = [line for line in lines if line.strip() and not line.startswith("#")]
    if len(written) == 1 and QUESTIONS.match(written[0]):
        return "squad"
    if written and all(map(_is_object, written)):
        return "jsonl"
    if JSON.match("\n".join(written)):
        return "squad"
    if len(written) < 2:
        return None
    tabs = {line.count("\t") for line in written}
    if tabs == {9} and all(line.partition("\t")[0].replace("-", "").replace(".", "").isdigit() for line in written):
        return "conllu"
    if _looks_like_sentences(lines, written):
        return "conll"
    if len(tabs) == 1 and tabs != {0}:
        return "tsv"
    return "csv" if _looks_like_csv(written) else None


def is_list_of_rows(path: Path, encoding: str = DEFAULTS.encoding) -> bool:
    """Whether the file is one JSON list whose objects are no questions, as far as its beginning says."""
    start = "\n".join(_beginning(path, encoding)).lstrip()
    return start.startswith("[") and JSON.match(start) is not None and OF_QUESTIONS.search(start) is None


LABEL_FIRST = (re.compile(r"__label__\S+"), re.compile(r"[A-Za-z_]+:[A-Za-z_]+"), re.compile(r"-?\d"))
"""First words of lines that are labels: of fastText, of TREC (a coarse and a fine one), and digits."""
MAX_LABELS_RATIO = 1 / 3
"""With more different first words than this share of the lines, they are no labels."""


def label_before_text(path: Path, encoding: str = DEFAULTS.encoding) -> str | None:
    """The first label of a file whose lines are a label, a space and a text; None for any other file."""
    lines = [line.split(maxsplit=1) for line in _beginning(path, encoding) if line.strip()]
    first = [words[0] for words in lines]
    if len(lines) < MIN_ROWS or not all(len(words) == 2 for words in lines):
        return None
    labelled = any(all(kind.fullmatch(word) for word in first) for kind in LABEL_FIRST)
    return first[0] if labelled and 1 < len(set(first)) <= MAX_LABELS_RATIO * len(first) else None


def _beginning(path: Path, encoding: str) -> list[str]:
    """The first lines; what cannot be decoded decides nothing here."""
    try:
        start = next(chunks_of(path), b"")
    except UserError:
        return []  # whoever reads the file reports what is wrong with it
    text = start.decode(encoding_by_mark(start) or encoding, "replace").removeprefix("\ufeff")
    lines = [line.rstrip("\r") for line in text.split("\n", N_LINES)]
    return lines[:-1] if len(lines) > 1 and (len(lines) > N_LINES or len(start) == N_CHUNK) else lines


def _is_object(line: str) -> bool:
    if not (line.lstrip().startswith("{") and line.rstrip().endswith("}")):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _looks_like_sentences(lines: Sequence[str], written: Sequence[str]) -> bool:
    """A word and its tag on every line, and blank lines between sentences."""
    rows = [line.split("\t") if "\t" in line else line.split() for line in written if not line.startswith("-DOCSTART-")]
    n_columns = {len(row) for row in rows}
    if len(n_columns) != 1 or not 2 <= min(n_columns) <= MAX_SENTENCE_COLUMNS or any(" " in row[0] for row in rows):
        return False
    n_tags = sum(bool(TAG.fullmatch(row[-1].strip())) for row in rows)
    return any(not line.strip() for line in lines[:-1]) and n_tags > 0.9 * len(rows)


def _looks_like_csv(written: Sequence[str]) -> bool:
    try:
        rows = list(csv.reader(written, strict=True))
    except csv.Error:
        return False
    n_cells = {len(row) for row in rows}
    named = all(name and len(name.split()) < MIN_WORDS for name in rows[0])
    sure = len(rows) >= MIN_ROWS or any(name.strip().casefold() in EVERY_NAME for name in rows[0])
    return len(n_cells) == 1 and n_cells != {1} and named and sure
