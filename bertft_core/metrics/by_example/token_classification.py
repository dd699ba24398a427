"""What each sentence adds to the scores of a tagger: entities in both readings, or single tags."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from bertft_core.metrics.by_example import counted
from bertft_core.metrics.by_example.statistic import ByExample, Statistic, quotient
from bertft_core.metrics.chunks import Chunks, TagSet, chunks, found_in, tag_set
from bertft_core.metrics.columns import ragged
from bertft_core.metrics.counts import Bools, Floats, Ints

UNIT = "sentence"
SEEDS_ONLY: dict[str, str] = {}


def statistics(predictions: pa.Table, labels: tuple[str, ...], **tuned: Any) -> dict[str, ByExample]:
    """Every metric of `bertft_core.metrics.token_classification`."""
    gold, predicted, lengths = _words(predictions)
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    found: dict[str, ByExample] = {"accuracy": quotient(_added(sentence, gold == predicted, len(lengths)), lengths.astype(float))}
    tags = tag_set(labels)
    if tags is None:
        hits, true, answered = (
            _by_sentence(sentence[rows], ids[rows], (len(lengths), len(labels)))
            for ids, rows in ((gold, gold == predicted), (gold, slice(None)), (predicted, slice(None)))
        )
        return found | _averages(hits, true, answered) | counted.of_names(labels, hits, true, answered)
    counts = _entities(gold, predicted, lengths, tags, strict=False)
    found |= _micro("", *counts) | _averages(*counts) | counted.of_names(tags.types, *counts)
    if tags.has_strict_reading:
        found |= _micro("strict_", *_entities(gold, predicted, lengths, tags, strict=True))
    return found


def right(predictions: pa.Table, labels: tuple[str, ...], **tuned: Any) -> Bools:
    """Which sentences have every word right [n]."""
    gold, predicted, lengths = _words(predictions)
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    return _added(sentence, gold != predicted, len(lengths)) == 0


def _words(predictions: pa.Table) -> tuple[Ints, Ints, Ints]:
    gold, lengths = ragged(predictions, "label")
    predicted, _ = ragged(predictions, "predicted")
    return gold.astype(np.int64), predicted.astype(np.int64), lengths


def _entities(gold: Ints, predicted: Ints, lengths: Ints, tags: TagSet, *, strict: bool) -> tuple[Floats, Floats, Floats]:
    """Entities found, true and predicted, each [sentences, types]."""
    true, answered = (chunks(ids, lengths, tags, strict=strict) for ids in (gold, predicted))
    hits = found_in(true, answered)
    ends, shape = np.cumsum(lengths), (len(lengths), len(tags.types))

    def counts(found: Chunks) -> Floats:
        return _by_sentence(np.searchsorted(ends, found.first, side="right"), found.type_ids, shape)

    return counts(Chunks(true.first[hits], true.last[hits], true.type_ids[hits])), counts(true), counts(answered)


def _by_sentence(sentence: Ints, ids: Ints, shape: tuple[int, int]) -> Floats:
    """How often each id is in each sentence, float64 [sentences, ids]."""
    counts: Floats = np.bincount(sentence * shape[1] + ids, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    return counts


def _added(sentence: Ints, values: Bools, n: int) -> Floats:
    return np.bincount(sentence, weights=values, minlength=n).astype(np.float64)


def _micro(prefix: str, hits: Floats, true: Floats, predicted: Floats) -> dict[str, ByExample]:
    n_hits, n_true, n_predicted = (counts.sum(axis=1) for counts in (hits, true, predicted))
    return {
        f"{prefix}precision": quotient(n_hits, n_predicted),
        f"{prefix}recall": quotient(n_hits, n_true),
        f"{prefix}f1": counted.micro(hits, true, predicted),
    }


def _averages(hits: Floats, true: Floats, predicted: Floats) -> dict[str, ByExample]:
    parts = (hits, true, predicted)
    return {"f1_macro": Statistic(parts, counted.f1_macro_of_seen), "f1_weighted": Statistic(parts, counted.f1_weighted)}
