"""Multi-label classification: a text or a pair of texts with any number of labels, none included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data import findings
from bertft_core.data.alignment.texts import both_orders, read_text_example, text_columns, text_settings, tokenise_texts
from bertft_core.data.examples import Example, RawSplit, ReadExample, SourceLocation, label_of, shorten
from bertft_core.data.findings import Check, PreparedData
from bertft_core.data.labels import agree_on_labels
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.records import DataFinding
from bertft_core.records.list_columns import matrix_column

MAX_NAMED = 10
"""Labels that a finding names."""


def columns(data: DataConfig) -> tuple[str, ...]:
    """Text or texts, then the labels."""
    return (*text_columns(data), data.label)


def reader(data: DataConfig, labelled: bool = True) -> ReadExample:
    """Reads a row into an example, labelled or not."""

    def read_example(name: str, cells: tuple[object, ...], place: SourceLocation) -> Example:
        label = labels_of(cells[-1], data.label, data.label_separator, place) if labelled else None
        return read_text_example(name, cells, label, data, place)

    return read_example


def labels_of(value: object, column: str, separator: str, place: SourceLocation) -> tuple[str, ...]:
    """The different labels of a cell, sorted: a list of them, or a text with `separator` between them.

    An empty list or text means that no label is on. Raises `UserError` for a missing cell and for a list or text with an
    item that is no label.
    """
    if isinstance(value, str):
        parts: Sequence[object] = value.split(separator) if value.strip() else ()
    elif isinstance(value, list | tuple):
        parts = value
    else:
        parts = (label_of(_present(value, column, place), column, place),)
    return tuple(sorted({label_of(part, column, place) for part in parts}))


def _present(value: object, column: str, place: SourceLocation) -> object:
    if value is None:
        raise UserError(
            f"the labels in column '{column}' are missing",
            path=place.path,
            line=place.line,
            found=shorten(repr(value)),
            expected="a list of labels, or a text with data.label_separator between them",
            hint="write an empty list or an empty text where no label is on",
        )
    return value


def agree(
    splits: Mapping[str, RawSplit], data: DataConfig
) -> tuple[dict[str, RawSplit], tuple[str, ...], tuple[DataFinding, ...]]:
    """The label names; see `agree_on_labels`."""
    return dict(splits), agree_on_labels(splits, data.labels), ()


def for_training(splits: Mapping[str, RawSplit], data: DataConfig) -> dict[str, RawSplit]:
    """The splits as they are trained on and scored: pairs in both orders where the order means nothing."""
    return both_orders(splits, data)


def settings(data: DataConfig) -> dict[str, Any]:
    """What the stored table depends on, beside examples, labels, tokenizer and max_length."""
    return text_settings(data)


def tokenise(tokenizer: Any, examples: Sequence[Example], labels: tuple[str, ...], data: DataConfig, types: bool) -> pa.Table:
    """`label` is 0 or 1 for each of `labels`: 0 throughout where an example is not labelled."""
    ids = {label: i for i, label in enumerate(labels)}
    on = np.zeros((len(examples), len(labels)), np.int8)
    for row, example in zip(on, examples, strict=True):
        row[[ids[name] for name in example.label_names]] = 1
    return tokenise_texts(tokenizer, examples, data, types, matrix_column(on))


def gold(split: PreparedSplit) -> pa.Table:
    """example_id and label."""
    return split.table.select(["example_id", "label"])


def counts(examples: Sequence[Example], labels: tuple[str, ...]) -> dict[str, int]:
    """Label → number of examples that have it."""
    found = Counter(name for example in examples for name in example.label_names)
    return {label: found[label] for label in labels}


def find_constant_labels(data: PreparedData) -> Iterator[DataFinding]:
    """Labels that are on for no example of a split, or for all: there is nothing to learn of them, or to score."""
    for name, split in data.raw.items():
        n, on = len(split.examples), counts(split.examples, data.labels)
        never, always = ([label for label in data.labels if on[label] == k] for k in (0, n))
        for check, constant in (("never_on", never), ("always_on", always)):
            if constant:
                yield DataFinding(check=check, split=name, count=len(constant), names=tuple(constant[:MAX_NAMED]))


CHECKS: tuple[Check, ...] = (
    findings.find_duplicates,
    findings.find_conflicts,
    findings.find_overlap,
    find_constant_labels,
    findings.find_truncated,
    findings.find_unknown_tokens,
    findings.find_very_short,
)
