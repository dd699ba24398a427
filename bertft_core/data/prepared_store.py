"""Tokenised splits stored by fingerprint, with the card that describes them beside them."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bertft_core.config import StudyConfig
from bertft_core.config.base import canonical_json, digest_of
from bertft_core.config.data_settings import RESERVED_SPLITS, DataConfig, FileData, HubData
from bertft_core.config.encoder_families import batches_of, is_by_hand
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.arrow_storage import load_or_make
from bertft_core.data.encoder_files import EncoderFiles
from bertft_core.data.encoder_parts import EncoderParts
from bertft_core.data.examples import RawSplit
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.study_checks import refuse_unknown_headline
from bertft_core.data.tokenization import tokenizer_digest
from bertft_core.data.tokenizer_findings import unknown_ratio
from bertft_core.metrics import METRICS
from bertft_core.records import DataFinding, DatasetCard, SplitCard
from bertft_core.storage.damage import Tell
from bertft_core.storage.study_dir import read_record, write_record

PREPARED_VERSION = 2
"""Part of the fingerprint: increase it when the same examples would be stored differently."""


class StoredSplits(NamedTuple):
    """Splits, raw and as they are stored tokenised."""

    splits: Mapping[str, RawSplit]
    digests: Mapping[str, str]
    """Split → SHA-256 of its examples."""
    fingerprint: str
    prepared: Mapping[str, PreparedSplit]


class PreparedStore:
    """The tokenised data of one arm of a study."""

    def __init__(
        self, study: StudyConfig, encoder: EncoderFiles, parts: EncoderParts, labels: tuple[str, ...], home: Path, tell: Tell
    ) -> None:
        self._study, self._encoder, self._parts, self._labels, self._tell = study, encoder, parts, labels, tell
        self._home = home.resolve() / "data"

    def stored(self, splits: Mapping[str, RawSplit], make: Callable[[], Mapping[str, pa.Table]]) -> StoredSplits:
        """The splits as they are stored; where they are not, or are damaged, `make` tokenises them."""
        data = self._study.data
        digests = {name: split_digest(split) for name, split in splits.items()}
        fingerprint = digest_of(
            {
                "version": PREPARED_VERSION,
                "splits": digests,
                "labels": self._labels,
                "max_length": data.max_length,
                "tokenizer": tokenizer_digest(self._encoder),
                "head": self._study.head.kind,
                "settings": ALIGNMENTS[self._study.head.kind].settings(data),
            }
        )
        sizes = {name: len(split.examples) for name, split in splits.items()}
        return StoredSplits(splits, digests, fingerprint, load_or_make(self._home / fingerprint, sizes, make, self._tell))

    def taken(self, whole: StoredSplits, draw: Mapping[str, RawSplit]) -> StoredSplits:
        """One split of a split design, with rows of the training set of `whole`, which was tokenised once for all of them."""
        rows = {example.id: row for row, example in enumerate(whole.splits["train"].examples)}

        def make() -> dict[str, pa.Table]:
            train = whole.prepared["train"].table
            own = {name: train.take(pa.array([rows[example.id] for example in draw[name].examples])) for name in RESERVED_SPLITS}
            return own | {name: whole.prepared[name].table for name in draw if name not in own}

        return self.stored(draw, make)

    def card(self, stored: StoredSplits, findings: tuple[DataFinding, ...]) -> DatasetCard:
        """The card of stored splits, written beside them. Raises `UserError` where they lack the headline's split."""
        study, encoder, data, directory = self._study, self._encoder, self._study.data, self._home / stored.fingerprint
        card = DatasetCard(
            name=_name(data),
            source=data.source,
            fingerprint=stored.fingerprint,
            directory=str(directory),
            encoder=encoder.identity,
            encoder_dir=str(encoder.directory),
            chain=encoder.chain,
            new_parts=self._parts.new,
            unused_parts=self._parts.unused,
            batches=batches_of(encoder.settings),
            by_hand=is_by_hand(encoder.settings),
            labels=self._labels,
            max_length=data.max_length,
            splits={name: _split_card(study, stored, name, self._labels) for name in stored.splits},
            findings=findings,
        )
        refuse_unknown_headline(study.headline.split, card)
        if read_record(directory / "card.json", DatasetCard) != card:
            write_record(directory / "card.json", card)
        return card


def split_digest(split: RawSplit) -> str:
    """SHA-256 of the examples in their order: id, texts and label, one canonical JSON line each."""
    sha256 = hashlib.sha256()
    for example in split.examples:
        sha256.update(canonical_json([example.id, example.texts, example.label]).encode() + b"\n")
    return sha256.hexdigest()


def _split_card(study: StudyConfig, stored: StoredSplits, name: str, labels: tuple[str, ...]) -> SplitCard:
    alignment, metrics = ALIGNMENTS[study.head.kind], METRICS[study.head.kind]
    raw, prepared, train = stored.splits[name], stored.prepared[name], stored.prepared["train"]
    return SplitCard(
        n_examples=prepared.n,
        n_windows=prepared.n_windows,
        label_counts=alignment.counts(raw.examples, labels),
        truncated_ratio=float(np.mean(prepared.truncated(study.data.max_length))),
        unknown_token_ratio=unknown_ratio(prepared),
        mean_length=float(np.mean(prepared.lengths)),
        origin=raw.origin,
        sha256=stored.digests[name],
        constant_scores=metrics.majority(alignment.gold(train), alignment.gold(prepared), labels),
    )


def _name(data: DataConfig) -> str:
    if isinstance(data, FileData):
        train = Path(data.train)
        return f"{train.parent.name}/{train.name}" if train.parent.name else train.name
    return f"{data.name}/{data.config}" if isinstance(data, HubData) and data.config else data.name
