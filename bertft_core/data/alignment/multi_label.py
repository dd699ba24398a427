"""Multi-label classification: a text or a pair of texts with any number of labels, none included."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data.alignment.texts import agree_on_names, text_alignment, tokenise_texts
from bertft_core.data.cells import label_of, refuse_written_list
from bertft_core.data.data_findings import PreparedData
from bertft_core.data.examples import Example, SourceLocation, as_found
from bertft_core.data.label_findings import NAMES_CHECKS
from bertft_core.records import DataFinding
from bertft_core.records.list_columns import matrix_column

MAX_NAMED = 10
"""Labels that a finding names."""


def _read_label(cell: object, data: DataConfig, place: SourceLocation) -> tuple[str, ...]:
    return labels_of(cell, str(data.label), data.label_separator, place)


def labels_of(value: object, column: str, separator: str, place: SourceLocation) -> tuple[str, ...]:
    """The distinct labels of a cell, sorted: a list, or a text with `separator` between them.

    An empty list or text means that no label is on. Raises `UserError` for a missing cell and for a list or text with an
    item that is not a label.
    """
    refuse_written_list(value, column, place, "labels with data.label_separator between them")
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
            code="labels.list-missing",
            path=place.path,
            line=place.line,
            found=as_found(value),
            expected="a list of labels, or a text with data.label_separator between them",
            hint="write an empty list or an empty text where no label is on",
        )
    return value


def tokenise(tokenizer: Any, examples: Sequence[Example], labels: tuple[str, ...], data: DataConfig, types: bool) -> pa.Table:
    """`label` is 0 or 1 for each of `labels`: 0 throughout where an example is not labelled."""
    ids = {label: i for i, label in enumerate(labels)}
    on = np.zeros((len(examples), len(labels)), np.int8)
    for row, example in zip(on, examples, strict=True):
        row[[ids[name] for name in example.label_names]] = 1
    return tokenise_texts(tokenizer, examples, data, types, matrix_column(on))


def counts(examples: Sequence[Example], labels: tuple[str, ...]) -> dict[str, int]:
    """Label → number of examples that have it."""
    found = Counter(name for example in examples for name in example.label_names)
    return {label: found[label] for label in labels}


def find_constant_labels(data: PreparedData) -> Iterator[DataFinding]:
    """Labels that are on for no example of a split, or for all: there is nothing to learn or to score."""
    for name, split in data.raw.items():
        n, on = len(split.examples), counts(split.examples, data.labels)
        never, always = ([label for label in data.labels if on[label] == k] for k in (0, n))
        for check, constant in (("never_on", never), ("always_on", always)):
            if constant:
                yield DataFinding(check=check, split=name, count=len(constant), names=tuple(constant[:MAX_NAMED]))


ALIGNMENT = text_alignment(_read_label, tokenise, (find_constant_labels, *NAMES_CHECKS), agree=agree_on_names, counts=counts)
