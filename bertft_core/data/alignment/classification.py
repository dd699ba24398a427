"""Classification: a text or a pair of texts with one label."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from bertft_core.config.data_settings import DataConfig
from bertft_core.data import data_findings, label_findings
from bertft_core.data.alignment.texts import agree_on_names, text_alignment, tokenise_texts
from bertft_core.data.cells import label_of, only_one_of, refuse_written_list
from bertft_core.data.examples import Example, SourceLocation

SEVERAL = "one label, or with head: multi_label several with data.label_separator between them"


def _read_label(cell: object, data: DataConfig, place: SourceLocation) -> str:
    if isinstance(data.label, str):
        refuse_written_list(cell, data.label, place, SEVERAL)
        return label_of(cell, data.label, place)
    return only_one_of(cell, data.label, place)


def tokenise(tokenizer: Any, examples: Sequence[Example], labels: tuple[str, ...], data: DataConfig, types: bool) -> pa.Table:
    """`label` is the position of the example's label in `labels`, -1 where it has none."""
    ids = {label: i for i, label in enumerate(labels)}
    label = pa.array([-1 if example.label is None else ids[str(example.label)] for example in examples], pa.int32())
    return tokenise_texts(tokenizer, examples, data, types, label)


def _counts(examples: Sequence[Example], labels: tuple[str, ...]) -> dict[str, int]:
    found = dict.fromkeys(labels, 0)
    for example in examples:
        found[str(example.label)] += 1
    return found


CHECKS = (data_findings.find_imbalance, *label_findings.NAMES_CHECKS, label_findings.find_other_task)

ALIGNMENT = text_alignment(_read_label, tokenise, CHECKS, agree=agree_on_names, counts=_counts)
