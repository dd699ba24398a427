"""What the heads that read whole texts share: their columns, their order, and one row of tokens for each example."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from bertft_core.config.data_settings import DataConfig
from bertft_core.data import data_findings, tokenizer_findings
from bertft_core.data.alignment.alignment import Agreed, Alignment, Tokenise, without_labels
from bertft_core.data.cells import is_on, is_visible, text_of
from bertft_core.data.data_findings import Check
from bertft_core.data.examples import Example, Label, RawSplit, ReadExample, SourceLocation
from bertft_core.data.labels import agree_on_labels
from bertft_core.data.quote_findings import find_quoted_texts
from bertft_core.data.tokenization import encode, encode_windows, lists, table_of

ReadLabel = Callable[[object, DataConfig, SourceLocation], Label]
"""From the cell of a label to the label; raises `UserError` with file and line."""


def text_alignment(
    read_label: ReadLabel,
    tokenise: Tokenise,
    checks: tuple[Check, ...],
    *,
    agree: Callable[[Mapping[str, RawSplit], DataConfig], Agreed] = without_labels,
    counts: Callable[[Sequence[Example], tuple[str, ...]], dict[str, int]] = lambda examples, labels: {},
) -> Alignment:
    """The alignment of a text or a pair of texts with a label; `checks` are its own, beside those of all texts."""

    def reader(data: DataConfig, labelled: bool = True) -> ReadExample:
        def read_example(name: str, cells: tuple[object, ...], place: SourceLocation) -> Example:
            texts = text_columns(data)
            label = read_label(_label_cell(cells[len(texts) :], data, place), data, place) if labelled else None
            return read_text_example(name, cells, label, data, place)

        return read_example

    return Alignment(
        columns=lambda data: (*text_columns(data), *label_columns(data)),
        reader=reader,
        tokenise=tokenise,
        checks=(
            data_findings.find_duplicates,
            data_findings.find_conflicts,
            data_findings.find_overlap,
            data_findings.find_conflicting_overlap,
            *checks,
            data_findings.find_truncated,
            *tokenizer_findings.TOKENIZER_CHECKS,
            data_findings.find_very_short,
            find_quoted_texts,
        ),
        agree=agree,
        for_training=both_orders,
        settings=text_settings,
        counts=counts,
    )


def agree_on_names(splits: Mapping[str, RawSplit], data: DataConfig) -> Agreed:
    """The splits as they are, and the names of their labels; see `agree_on_labels`."""
    return dict(splits), agree_on_labels(splits, data.labels), ()


def text_columns(data: DataConfig) -> tuple[str, ...]:
    """The column of the text, or the two columns of a pair."""
    return (data.text,) if isinstance(data.text, str) else data.text


def label_columns(data: DataConfig) -> tuple[str, ...]:
    """The column of the label, or the columns of 0 and 1 of which each is a label."""
    return (data.label,) if isinstance(data.label, str) else data.label


def _label_cell(cells: Sequence[object], data: DataConfig, place: SourceLocation) -> object:
    """The cell of the label; of one-hot columns, the names of those that are 1."""
    if isinstance(data.label, str):
        return cells[0]
    return [name for name, cell in zip(data.label, cells, strict=True) if is_on(cell, name, place)]


def read_text_example(name: str, cells: Sequence[object], label: Label, data: DataConfig, place: SourceLocation) -> Example:
    """The example with the text cells of a row; raises `UserError` for one without text, unless empty ones are kept.

    A pair whose order means nothing has the same context in both orders, so that one with one label never has its orders in two
    splits; with two labels it may, as the same text with two labels may (a finding says so).
    """
    columns = text_columns(data)
    empty = [isinstance(cell, str) and not is_visible(cell) for cell in cells[: len(columns)]]
    keep = data.empty_texts == "keep" and not all(empty)
    texts = tuple(
        "" if keep and is_empty else text_of(cell, column, place)
        for cell, column, is_empty in zip(cells, columns, empty, strict=False)
    )
    example = Example(name, texts, label, place.line)
    return dataclasses.replace(example, context="\0".join(sorted(example.key))) if data.symmetric else example


def both_orders(splits: Mapping[str, RawSplit], data: DataConfig) -> dict[str, RawSplit]:
    """Where the order of a pair means nothing, every training pair a second time in the other order."""
    if not data.symmetric:
        return dict(splits)
    train = splits["train"]
    swapped = tuple(
        dataclasses.replace(e, id=f"{e.id}-swapped", texts=e.texts[::-1], source_id=e.source_id or e.id) for e in train.examples
    )
    return dict(splits) | {"train": train.derived(train.examples + swapped, both_orders=True)}


def text_settings(data: DataConfig) -> dict[str, Any]:
    """How long texts are read."""
    return {"overlap": data.overlap} if data.long_texts == "windows" else {}


def tokenise_texts(tokenizer: Any, examples: Sequence[Example], data: DataConfig, types: bool, label: pa.Array) -> pa.Table:
    """One row per example, with the texts, their tokens, and `label`.

    A text longer than `max_length` is truncated (of a pair, the longer text first), or read in windows, which lie in the row one
    after another, with their lengths in `window_lengths`. `n_pieces` is the length of the whole, special tokens included.
    """
    texts = [example.texts for example in examples]
    columns: dict[str, Any] = {"label": label, "text": pa.array([text[0] for text in texts], pa.large_string())}
    if len(texts[0]) == 2:
        columns["text_b"] = pa.array([text[1] for text in texts], pa.large_string())
    if data.long_texts == "windows":
        encoded = encode_windows(tokenizer, [text[0] for text in texts], data.max_length, data.overlap)
        columns["window_lengths"] = lists(encoded.window_lengths)
    else:
        encoded = encode(tokenizer, texts, data.max_length)
    return table_of(tokenizer, [example.id for example in examples], encoded, columns, types=types, pair=len(texts[0]) == 2)
