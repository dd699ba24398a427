"""Per-sentence statistics of a tagger: entities in both readings, or single tags."""

import numpy as np
import pyarrow as pa

from bertft_core.metrics.entities import EntitySpans, TagSet, entity_spans, found_in, tag_set
from bertft_core.metrics.per_example import count_metrics
from bertft_core.metrics.per_example.statistic import PerExample, Statistic, quotient
from bertft_core.metrics.precision_recall import Bools, Floats, Ints
from bertft_core.metrics.token_classification import words_of


def statistics(predictions: pa.Table, labels: tuple[str, ...], **tuned: float) -> dict[str, PerExample]:
    """Every metric of `bertft_core.metrics.token_classification`."""
    gold, predicted, lengths = words_of(predictions)
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    found: dict[str, PerExample] = {
        "accuracy": quotient(_added(sentence, gold == predicted, len(lengths)), lengths.astype(float))
    }
    tags = tag_set(labels)
    if tags is None:
        hits, true, answered = (
            _by_sentence(sentence[rows], ids[rows], (len(lengths), len(labels)))
            for ids, rows in ((gold, gold == predicted), (gold, slice(None)), (predicted, slice(None)))
        )
        return found | _averages(hits, true, answered) | count_metrics.of_names(labels, hits, true, answered)
    counts = _entities(gold, predicted, lengths, tags, strict=False)
    found |= _micro("", *counts) | _averages(*counts) | count_metrics.of_names(tags.types, *counts)
    if tags.has_strict_reading:
        found |= _micro("strict_", *_entities(gold, predicted, lengths, tags, strict=True))
    return found


def right(predictions: pa.Table, labels: tuple[str, ...], **tuned: float) -> Bools:
    """Which sentences have every word right [n]."""
    gold, predicted, lengths = words_of(predictions)
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    return _added(sentence, gold != predicted, len(lengths)) == 0


def _entities(gold: Ints, predicted: Ints, lengths: Ints, tags: TagSet, *, strict: bool) -> tuple[Floats, Floats, Floats]:
    """Entities found, true and predicted, each [sentences, types]."""
    true, answered = (entity_spans(ids, lengths, tags, strict=strict) for ids in (gold, predicted))
    hits = found_in(true, answered)
    ends, shape = np.cumsum(lengths), (len(lengths), len(tags.types))

    def counts(found: EntitySpans) -> Floats:
        return _by_sentence(np.searchsorted(ends, found.first, side="right"), found.type_ids, shape)

    return counts(EntitySpans(true.first[hits], true.last[hits], true.type_ids[hits])), counts(true), counts(answered)


def _by_sentence(sentence: Ints, ids: Ints, shape: tuple[int, int]) -> Floats:
    """How often each id is in each sentence, float64 [sentences, ids]."""
    counts: Floats = np.bincount(sentence * shape[1] + ids, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    return counts


def _added(sentence: Ints, values: Bools, n: int) -> Floats:
    return np.bincount(sentence, weights=values, minlength=n).astype(np.float64)


def _micro(prefix: str, hits: Floats, true: Floats, predicted: Floats) -> dict[str, PerExample]:
    n_hits, n_true, n_predicted = (counts.sum(axis=1) for counts in (hits, true, predicted))
    return {
        f"{prefix}precision": quotient(n_hits, n_predicted),
        f"{prefix}recall": quotient(n_hits, n_true),
        f"{prefix}f1": count_metrics.micro(hits, true, predicted),
    }


def _averages(hits: Floats, true: Floats, predicted: Floats) -> dict[str, PerExample]:
    parts = (hits, true, predicted)
    return {
        "f1_macro": Statistic(parts, count_metrics.f1_macro_of_seen),
        "f1_weighted": Statistic(parts, count_metrics.f1_weighted),
    }
