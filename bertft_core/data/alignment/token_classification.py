"""Token classification: a sentence in words with a tag for each."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data import data_findings, label_findings, tokenizer_findings
from bertft_core.data.alignment.alignment import Agreed, Alignment
from bertft_core.data.alignment.tags import agree_on_tags, refuse_unreadable, repair_and_convert
from bertft_core.data.cells import is_unicode, label_of, refuse_written_list
from bertft_core.data.data_findings import PreparedData
from bertft_core.data.examples import Example, RawSplit, ReadExample, SourceLocation, as_found, shorten
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.tokenization import Encoded, lists, table_of
from bertft_core.data.word_windows import frame_of, lay_out, subwords_of
from bertft_core.records import DataFinding

FEW_SENTENCES = 10
"""Fewer sentences may well be of one word each."""
SPACES = re.compile(r"[ \t\r\n]+")
"""Separates words; other white space, such as a no-break space, is part of a word, as in CoNLL."""


def find_cut_words(data: PreparedData) -> Iterator[DataFinding]:
    """Words longer than a window: the model sees their first subwords."""
    for name, split in data.prepared.items():
        n_cut = split.values("n_cut")
        if n_cut.any():
            worst = np.flatnonzero(n_cut)
            yield DataFinding(
                check="cut_words",
                split=name,
                count=int(n_cut.sum()),
                numbers={"max_length": data.max_length},
                examples=data_findings.places(data.raw[name], (data.raw[name].examples[i] for i in worst)),
            )


def columns(data: DataConfig) -> tuple[str, ...]:
    """Words and tags, and the sentence where each word has a row of its own."""
    return (data.tokens, data.tags) if data.sentence is None else (data.tokens, data.tags, data.sentence)


def reader(data: DataConfig, labelled: bool = True) -> ReadExample:
    """What reads a row, (words, tags) or (words, tags, line of each word), into an example."""

    def read_example(name: str, cells: tuple[object, ...], place: SourceLocation) -> Example:
        words, tags, *more = cells
        texts = _words(words, data, place)
        lines = tuple(more[0]) if more else (place.line,) * len(texts)  # type: ignore[arg-type]
        label = _tags(tags, texts, lines, data, place) if labelled else None
        return Example(name, texts, label, place.line, lines)

    return read_example


def _words(cell: object, data: DataConfig, place: SourceLocation) -> tuple[str, ...]:
    words = _list_of(cell, "words", data.tokens, place)
    for number, word in enumerate(words, start=1):
        if not isinstance(word, str) or not word.strip() or not is_unicode(word):
            empty = isinstance(word, str) and not word.strip()
            raise UserError(
                f"word {number} in column '{data.tokens}' is {'empty' if empty else 'not a text'}",
                code="words.empty-word",
                path=place.path,
                line=place.line,
                found=shorten(ascii(word)),
                expected="a word with at least one visible character",
                hint="fill it in, or remove it with its tag",
            )
    return tuple(words)


def _tags(
    cell: object, words: tuple[str, ...], lines: tuple[int, ...], data: DataConfig, place: SourceLocation
) -> tuple[str, ...]:
    given = _list_of(cell, "tags", data.tags, place)
    if len(given) != len(words):
        raise UserError(
            "the sentence does not have a tag for each word",
            code="words.tags-differ-in-number",
            path=place.path,
            line=place.line,
            found=f"{len(words)} in '{data.tokens}', {len(given)} in '{data.tags}': {shorten(' '.join(words), 60)}",
            expected="as many tags as words",
            hint="correct the sentence or remove it",
        )
    tags = tuple(label_of(tag, data.tags, SourceLocation(place.path, line)) for tag, line in zip(given, lines, strict=True))
    refuse_unreadable(words, tags, lines, data, place)
    return tags


def _list_of(cell: object, what: str, column: str, place: SourceLocation) -> Sequence[Any]:
    """A list, or a text such as the cell of a CSV file, whose items have spaces between them."""
    refuse_written_list(cell, column, place, f"{what} with spaces between them")
    items = SPACES.split(cell.strip(" \t\r\n")) if isinstance(cell, str) else cell
    if isinstance(items, list | tuple) and len(items) and items != [""]:
        return items
    raise UserError(
        f"there are no {what}" if isinstance(items, list | tuple) else f"the {what} in column '{column}' are not a list",
        code="words.not-a-list",
        path=place.path,
        line=place.line,
        found=as_found(cell),
        expected=f"a list of {what}, or a text with spaces between them",
        hint="correct the sentence or remove it",
    )


def agree(splits: Mapping[str, RawSplit], data: DataConfig) -> Agreed:
    """Tags repaired and converted, the labels, and the findings about both; see `tags`."""
    _refuse_words_apart(splits["train"])
    converted, findings = repair_and_convert(splits, data)
    return converted, agree_on_tags(converted, data), findings


def _refuse_words_apart(train: RawSplit) -> None:
    """A table with one word per row would be read as sentences of one word each, without any context."""
    if len(train.examples) >= FEW_SENTENCES and all(len(example.texts) == 1 for example in train.examples):
        raise UserError(
            "every sentence of the training set has only one word",
            code="words.one-per-row",
            path=train.path,
            line=train.examples[0].line,
            found=f"{len(train.examples)} sentences: {shorten(', '.join(e.texts[0] for e in train.examples[:5]))}, …",
            expected="one sentence per row, its words and tags each in a list or with spaces between them",
            hint="set data.sentence to the column of the sentence's number; or write one word and its tag per line, a blank line "
            "after each sentence, and set data.format: conll",
        )


def tokenise(tokenizer: Any, examples: Sequence[Example], labels: tuple[str, ...], data: DataConfig, types: bool) -> pa.Table:
    """One row per sentence, its windows one after another in `input_ids`; see `word_windows.Sentence`.

    `tags` holds the position of each word's tag in `labels`, -1 where it has none; `text` the words with spaces between.
    """
    ids = {label: i for i, label in enumerate(labels)}
    subwords = subwords_of(tokenizer, (word for example in examples for word in example.texts))
    frame = frame_of(tokenizer)
    rows = [lay_out([subwords[word] for word in e.texts], frame, data.max_length, data.overlap) for e in examples]
    encoded = Encoded([row.input_ids for row in rows], [row.token_type_ids for row in rows], [row.n_tokens for row in rows])
    tags = [[-1] * len(e.texts) if e.label is None else [ids[tag] for tag in e.label_names] for e in examples]
    more = {
        "text": pa.array([" ".join(example.texts) for example in examples], pa.large_string()),
        "window_lengths": lists([row.window_lengths for row in rows]),
        "word_starts": lists([row.word_starts for row in rows]),
        "word_lengths": lists([row.word_lengths for row in rows]),
        "tags": lists([np.array(row, np.int32) for row in tags]),
        "n_cut": pa.array([row.n_cut for row in rows], pa.int32()),
    }
    return table_of(tokenizer, [example.id for example in examples], encoded, more, types=types, pair=False)


def gold(split: PreparedSplit) -> pa.Table:
    """example_id and label, a list of label ids."""
    label = split.table["tags"].cast(pa.list_(pa.int32()))
    return pa.table({"example_id": split.table["example_id"], "label": label})


def counts(examples: Sequence[Example], labels: tuple[str, ...]) -> dict[str, int]:
    """Label → number of words."""
    found = dict.fromkeys(labels, 0)
    for example in examples:
        for tag in example.label_names:
            found[tag] += 1
    return found


ALIGNMENT = Alignment(
    columns=columns,
    reader=reader,
    tokenise=tokenise,
    checks=(
        data_findings.find_duplicates,
        data_findings.find_conflicts,
        data_findings.find_overlap,
        data_findings.find_conflicting_overlap,
        *label_findings.NAMES_CHECKS,
        find_cut_words,
        *tokenizer_findings.TOKENIZER_CHECKS,
    ),
    agree=agree,
    settings=lambda data: {"overlap": data.overlap},
    gold=gold,
    counts=counts,
)
