"""Classification: a text or a pair of texts with one label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from bertft_core.config.data_settings import DataConfig
from bertft_core.data import findings
from bertft_core.data.alignment.texts import both_orders, read_text_example, text_columns, text_settings, tokenise_texts
from bertft_core.data.examples import Example, RawSplit, ReadExample, SourceLocation, label_of
from bertft_core.data.findings import Check
from bertft_core.data.labels import agree_on_labels
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.records import DataFinding

CHECKS: tuple[Check, ...] = (
    findings.find_duplicates,
    findings.find_conflicts,
    findings.find_overlap,
    findings.find_imbalance,
    findings.find_truncated,
    findings.find_unknown_tokens,
    findings.find_very_short,
)


def columns(data: DataConfig) -> tuple[str, ...]:
    """Text or texts, then the label."""
    return (*text_columns(data), data.label)


def reader(data: DataConfig, labelled: bool = True) -> ReadExample:
    """Reads a row into an example, labelled or not."""

    def read_example(name: str, cells: tuple[object, ...], place: SourceLocation) -> Example:
        label = label_of(cells[-1], data.label, place) if labelled else None
        return read_text_example(name, cells, label, data, place)

    return read_example


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
    """`label` is the position of the example's label in `labels`, -1 where it has none."""
    ids = {label: i for i, label in enumerate(labels)}
    label = pa.array([-1 if example.label is None else ids[str(example.label)] for example in examples], pa.int32())
    return tokenise_texts(tokenizer, examples, data, types, label)


def gold(split: PreparedSplit) -> pa.Table:
    """example_id and label."""
    return split.table.select(["example_id", "label"])


def counts(examples: Sequence[Example], labels: tuple[str, ...]) -> dict[str, int]:
    """Label → number of examples."""
    found = dict.fromkeys(labels, 0)
    for example in examples:
        found[str(example.label)] += 1
    return found
