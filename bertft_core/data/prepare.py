"""A study's data, ready to train on: read, split, check, tokenise once, store by fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.base import canonical_json, digest_of
from bertft_core.config.data import DataConfig, FileData, HubData
from bertft_core.data.checks import PreparedData, find_all, unknown_ratio
from bertft_core.data.encoder_files import EncoderFiles, resolve_encoder
from bertft_core.data.examples import RawSplit
from bertft_core.data.labels import agree_on_labels
from bertft_core.data.prepared import PreparedSplit
from bertft_core.data.sources import read_splits
from bertft_core.data.splits import cut_missing, subsample
from bertft_core.data.storage import load_or_make
from bertft_core.data.tokenization import load_tokenizer, refuse_too_long, tokenise, tokenizer_digest, uses_token_types
from bertft_core.records import DatasetCard, SplitCard
from bertft_core.records.store import read_record, write_record

PREPARED_VERSION = 1
"""Goes into the fingerprint: raise it when the same examples would be stored differently."""


def prepare_data(study: StudyConfig, *, home_dir: Path | str) -> DatasetCard:
    """Read and check the data every time, tokenise it only when its fingerprint is new, and say what was found.

    The Arrow files and `card.json` lie in `home_dir/data/<fingerprint>/`. Raises `UserError` with file and line for data
    that cannot be trained on, and for an encoder that cannot be had.
    """
    data = study.data
    encoder = resolve_encoder(study.encoder)
    refuse_too_long(data.max_length, encoder)
    given = read_splits(data)
    labels = agree_on_labels(given, data.labels)
    splits = subsample(cut_missing(given, data.split, study.seed), data.subsample, study.seed)
    digests = {name: split_digest(split) for name, split in splits.items()}
    fingerprint = digest_of(
        {
            "version": PREPARED_VERSION,
            "splits": digests,
            "labels": labels,
            "max_length": data.max_length,
            "tokenizer": tokenizer_digest(encoder),
        }
    )
    directory = Path(home_dir).resolve() / "data" / fingerprint
    sizes = {name: len(split.examples) for name, split in splits.items()}
    prepared = load_or_make(directory, sizes, lambda: _tokenised(splits, labels, encoder, data.max_length))
    card = DatasetCard(
        name=_name(data),
        source=data.source,
        fingerprint=fingerprint,
        directory=str(directory),
        encoder=encoder.identity,
        encoder_dir=str(encoder.directory),
        labels=labels,
        max_length=data.max_length,
        splits={name: _split_card(splits[name], prepared[name], labels, data.max_length, digests[name]) for name in splits},
        findings=find_all(PreparedData(splits, prepared, labels, data.max_length)),
    )
    _refuse_unknown_headline(study.headline.split, card)
    if read_record(directory / "card.json", DatasetCard) != card:
        write_record(directory / "card.json", card)
    return card


def _refuse_unknown_headline(split: str, card: DatasetCard) -> None:
    """`test` falls back to validation where there is no test set; any other name must be there."""
    if split != "test" and split not in card.evaluated_splits:
        raise UserError(
            f"headline.split: '{split}' is no split of {card.name}",
            found=split,
            expected=f"one of {', '.join(card.evaluated_splits)}",
            todo="change headline.split",
        )


def split_digest(split: RawSplit) -> str:
    """SHA-256 of the examples in their order: id, texts and label, one canonical JSON line each."""
    sha256 = hashlib.sha256()
    for example in split.examples:
        sha256.update(canonical_json([example.id, example.texts, example.label]).encode() + b"\n")
    return sha256.hexdigest()


def _tokenised(
    splits: Mapping[str, RawSplit], labels: tuple[str, ...], encoder: EncoderFiles, max_length: int
) -> dict[str, pa.Table]:
    tokenizer = load_tokenizer(encoder)
    label_ids = {label: i for i, label in enumerate(labels)}
    types = uses_token_types(encoder)
    return {name: tokenise(tokenizer, split.examples, label_ids, max_length, types) for name, split in splits.items()}


def _split_card(raw: RawSplit, prepared: PreparedSplit, labels: tuple[str, ...], max_length: int, sha256: str) -> SplitCard:
    counts = raw.label_counts
    return SplitCard(
        n_examples=prepared.n,
        label_counts={label: counts.get(label, 0) for label in labels},
        truncated_ratio=float(np.mean(prepared.n_pieces > max_length)),
        unknown_piece_ratio=unknown_ratio(prepared),
        mean_length=float(np.mean(prepared.lengths)),
        origin=raw.origin,
        sha256=sha256,
    )


def _name(data: DataConfig) -> str:
    if isinstance(data, FileData):
        train = Path(data.train)
        return f"{train.parent.name}/{train.name}" if train.parent.name else train.name
    return f"{data.name}/{data.config}" if isinstance(data, HubData) and data.config else data.name
