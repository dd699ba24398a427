"""Masked language modelling: raw texts, read whole in blocks, with the masks that they are evaluated by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data import findings
from bertft_core.data.alignment.texts import text_columns
from bertft_core.data.examples import Example, RawSplit, ReadExample, SourceLocation, shorten, text_of
from bertft_core.data.findings import Check, PreparedData
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.tokenization import encode_windows, lists, table_of
from bertft_core.masking import Vocabulary, fixed_masks
from bertft_core.records import DataFinding

MANY_BLOCKS = 8
"""Blocks of a mean training text from which on an optimizer step holds far more than `batch_size` suggests."""


def find_many_blocks(data: PreparedData) -> Iterator[DataFinding]:
    """Training texts so long that a step reads many blocks for each of its examples."""
    train = data.prepared["train"]
    if train.n_windows > MANY_BLOCKS * train.n:
        yield DataFinding(
            check="many_blocks",
            split="train",
            count=train.n_windows,
            numbers={"n_texts": train.n, "max_length": data.max_length},
        )


CHECKS: tuple[Check, ...] = (
    findings.find_duplicates,
    findings.find_overlap,
    findings.find_unknown_tokens,
    find_many_blocks,
)


def columns(data: DataConfig) -> tuple[str, ...]:
    """The text."""
    return text_columns(data)


def reader(data: DataConfig, labelled: bool = True) -> ReadExample:
    """Reads a row into an example without a label: the text is its own."""
    (column,) = text_columns(data)

    def read_example(name: str, cells: tuple[object, ...], place: SourceLocation) -> Example:
        return Example(name, (text_of(cells[0], column, place),), None, place.line)

    return read_example


def agree(
    splits: Mapping[str, RawSplit], data: DataConfig
) -> tuple[dict[str, RawSplit], tuple[str, ...], tuple[DataFinding, ...]]:
    """There are no labels."""
    return dict(splits), (), ()


def for_training(splits: Mapping[str, RawSplit], data: DataConfig) -> dict[str, RawSplit]:
    """As they are."""
    return dict(splits)


def settings(data: DataConfig) -> dict[str, Any]:
    """Nothing beside examples, tokenizer and max_length."""
    return {}


def tokenise(tokenizer: Any, examples: Sequence[Example], labels: tuple[str, ...], data: DataConfig, types: bool) -> pa.Table:
    """One row per text: its blocks of at most `max_length` word pieces, one after another, none lost and none twice.

    `masked` are the positions hidden in evaluation, `shown` the ids in their place, `targets` the ids to predict; see
    `masking.fixed_masks`. What masking must know of the tokenizer is in the table's metadata.
    """
    vocabulary = _vocabulary(tokenizer)
    ids = [example.id for example in examples]
    texts = [example.texts[0] for example in examples]
    encoded = encode_windows(tokenizer, texts, data.max_length, overlap=0)
    masks = [fixed_masks(name, row, vocabulary) for name, row in zip(ids, encoded.input_ids, strict=True)]
    if not any(len(mask.positions) for mask in masks):
        raise _nothing_to_mask(tokenizer, examples)
    more = {
        "text": pa.array(texts, pa.large_string()),
        "window_lengths": lists(encoded.window_lengths),
        "masked": lists([mask.positions for mask in masks]),
        "shown": lists([mask.shown for mask in masks]),
        "targets": lists([row[mask.positions] for row, mask in zip(encoded.input_ids, masks, strict=True)]),
    }
    table = table_of(tokenizer, ids, encoded, more, types=types, pair=False)
    return table.replace_schema_metadata({**table.schema.metadata, **vocabulary.as_metadata()})


def _vocabulary(tokenizer: Any) -> Vocabulary:
    """Ids that no piece has are as little to be shown as special ones."""
    if tokenizer.mask_token_id is None:
        raise UserError(
            "the encoder's tokenizer has no mask token, so it cannot be trained by masking",
            found=tokenizer.name_or_path,
            expected="a tokenizer with a mask token, such as [MASK]",
            hint="choose an encoder of the BERT family",
        )
    known = np.array(sorted(tokenizer.get_vocab().values()))
    size = int(known[-1]) + 1
    special = {*tokenizer.all_special_ids, *np.setdiff1d(np.arange(size), known).tolist()}
    return Vocabulary(size, tokenizer.mask_token_id, tuple(sorted(special)))


def _nothing_to_mask(tokenizer: Any, examples: Sequence[Example]) -> UserError:
    return UserError(
        "no word piece of these texts is known to the encoder, so there is nothing to predict",
        line=examples[0].line,
        found=f"{len(examples)} texts of unknown pieces, the first '{shorten(examples[0].texts[0])}'",
        expected="texts in the language of the encoder",
        hint=f"choose an encoder with a fitting vocabulary instead of {tokenizer.name_or_path}",
    )


def gold(split: PreparedSplit) -> pa.Table:
    """example_id and the `targets` of the fixed masks, also for the training set."""
    return split.table.select(["example_id", "targets"])


def counts(examples: Sequence[Example], labels: tuple[str, ...]) -> dict[str, int]:
    """There are no labels to count."""
    return {}
