"""Masked language modelling: raw texts, read whole in blocks, with the masks for evaluation."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data import data_findings, tokenizer_findings
from bertft_core.data.alignment.alignment import Agreed, Alignment
from bertft_core.data.alignment.texts import text_columns
from bertft_core.data.cells import text_of
from bertft_core.data.data_findings import PreparedData
from bertft_core.data.examples import Example, RawSplit, ReadExample, SourceLocation, shorten
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.text_findings import find_rows_as_texts
from bertft_core.data.tokenization import Encoded, encode_windows, lists, table_of
from bertft_core.masking import Masks, Vocabulary, fixed_masks
from bertft_core.records import DataFinding

MANY_BLOCKS = 8
"""With more blocks in a mean training text, an optimizer step holds far more than `batch_size` suggests."""


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


def agree(splits: Mapping[str, RawSplit], data: DataConfig) -> Agreed:
    """The splits as they are, no labels, and files that may not be texts."""
    return dict(splits), (), tuple(find_rows_as_texts(splits, data))


def reader(data: DataConfig, labelled: bool = True) -> ReadExample:
    """What reads a row into an example without a label."""
    (column,) = text_columns(data)

    def read_example(name: str, cells: tuple[object, ...], place: SourceLocation) -> Example:
        return Example(name, (text_of(cells[0], column, place),), None, place.line)

    return read_example


def tokenise(tokenizer: Any, examples: Sequence[Example], labels: tuple[str, ...], data: DataConfig, types: bool) -> pa.Table:
    """One row per text: its blocks of at most `max_length` tokens, one after another, without overlap.

    `masked` are the positions masked in evaluation, `shown` the ids in their place, `targets` the ids to predict; see
    `masking.fixed_masks`. What masking needs to know of the tokenizer is in the table's metadata.
    """
    vocabulary, encoded = vocabulary_of(tokenizer), _encoded(tokenizer, examples, data)
    masks = [fixed_masks(example.id, row, vocabulary) for example, row in zip(examples, encoded.input_ids, strict=True)]
    if not any(len(mask.positions) for mask in masks):
        raise UserError(
            "the encoder knows no token of these texts, so there is nothing to predict",
            code="masked-lm.unknown-text",
            line=examples[0].line,
            found=f"{len(examples)} texts of unknown tokens, the first '{shorten(examples[0].texts[0])}'",
            expected="texts in the language of the encoder",
            hint="choose an encoder that was trained on texts in this language",
        )
    return _table(tokenizer, examples, encoded, masks, vocabulary, types)


def tokenise_new(tokenizer: Any, examples: Sequence[Example], labels: tuple[str, ...], data: DataConfig, types: bool) -> pa.Table:
    """The same, where the tokens to predict are the mask tokens in the texts. Raises `UserError` for a text without any."""
    encoded, masks = _encoded(tokenizer, examples, data), []
    for ids, example in zip(encoded.input_ids, examples, strict=True):
        positions = np.flatnonzero(ids == tokenizer.mask_token_id).astype(np.int32)
        if not len(positions):
            raise UserError(
                "there is nothing to predict in the text",
                code="masked-lm.empty-text",
                path=example.path or None,
                line=example.line,
                found=f"no {tokenizer.mask_token}",
                expected=f"a text such as 'The pump is {tokenizer.mask_token} of order'",
                hint=f"write {tokenizer.mask_token} where a token is to be predicted",
            )
        masks.append(Masks(positions, ids[positions]))
    return _table(tokenizer, examples, encoded, masks, vocabulary_of(tokenizer), types)


def _encoded(tokenizer: Any, examples: Sequence[Example], data: DataConfig) -> Encoded:
    return encode_windows(tokenizer, [example.texts[0] for example in examples], data.max_length, overlap=0)


def _table(
    tokenizer: Any, examples: Sequence[Example], encoded: Encoded, masks: Sequence[Masks], vocabulary: Vocabulary, types: bool
) -> pa.Table:
    more = {
        "text": pa.array([example.texts[0] for example in examples], pa.large_string()),
        "window_lengths": lists(encoded.window_lengths),
        "masked": lists([mask.positions for mask in masks]),
        "shown": lists([mask.shown for mask in masks]),
        "targets": lists([row[mask.positions] for row, mask in zip(encoded.input_ids, masks, strict=True)]),
    }
    table = table_of(tokenizer, [example.id for example in examples], encoded, more, types=types, pair=False)
    return table.replace_schema_metadata({**table.schema.metadata, **vocabulary.as_metadata()})


def vocabulary_of(tokenizer: Any) -> Vocabulary:
    """What masking needs to know of a tokenizer. Raises `UserError` for one without a mask token.

    Ids without a token are not to be shown either, so they count as special.
    """
    if tokenizer.mask_token_id is None:
        raise UserError(
            "the encoder's tokenizer has no mask token, so it cannot be trained by masking",
            code="masked-lm.no-mask-token",
            found=tokenizer.name_or_path,
            expected="a tokenizer with a mask token, such as [MASK]",
            hint="choose an encoder of the BERT family",
        )
    known = np.array(sorted(tokenizer.get_vocab().values()))
    size = int(known[-1]) + 1
    special = {*tokenizer.all_special_ids, *np.setdiff1d(np.arange(size), known).tolist()}
    return Vocabulary(size, tokenizer.mask_token_id, tuple(sorted(special)))


def gold(split: PreparedSplit) -> pa.Table:
    """example_id and the `targets` of the fixed masks, also for the training set."""
    return split.table.select(["example_id", "targets"])


ALIGNMENT = Alignment(
    columns=text_columns,
    reader=reader,
    tokenise=tokenise,
    checks=(data_findings.find_duplicates, data_findings.find_overlap, *tokenizer_findings.TOKENIZER_CHECKS, find_many_blocks),
    agree=agree,
    gold=gold,
    tokenise_new=tokenise_new,
    answer_names=lambda tokenizer, labels: tokenizer.convert_ids_to_tokens(range(len(tokenizer))),
)
