"""Scores of a tagger: whole entities where the labels are entity tags, single tags where they are plain."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.metrics.entities import OUTSIDE, TagSet, entity_spans, matches, tag_set
from bertft_core.metrics.precision_recall import Ints, averages, by_name, f1_of, ratio
from bertft_core.metrics.prediction_columns import ragged

MAX_CONFUSION_NAMES = 30


def compute(predictions: pa.Table, labels: tuple[str, ...], **tuned: float) -> dict[str, float]:
    """Every metric of one table of predictions with the columns `label` and `predicted`, an id for each word; see `scores`."""
    return scores(*words_of(predictions), labels)


def scores(gold: Ints, predicted: Ints, lengths: Ints, labels: tuple[str, ...]) -> dict[str, float]:
    """Every metric of all words in a row: label ids `gold` [words] and `predicted` [words], `lengths` [sentences].

    Always `accuracy`, the share of right words, O included. For entity tags `precision`, `recall` and `f1` are micro averages
    over entities as conlleval and seqeval count them, `strict_…` those of the strict reading (absent for labels that know
    only I-), and `precision/TYPE` … the conlleval ones of each type. For plain tags `precision/TAG` … are over words.
    `f1_macro` is the mean over the types or tags seen in truth or prediction, `f1_weighted` weighs by true counts.
    Raises `ValueError` for no words, lengths that do not fit and ids out of range.
    """
    gold, predicted = _checked(gold, predicted, lengths, len(labels))
    accuracy = {"accuracy": float((gold == predicted).mean())}
    tags = tag_set(labels)
    if tags is None:
        counts = _cross(gold, predicted, len(labels))
        margins = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
        return accuracy | averages(*margins) | by_name(labels, *margins)
    return accuracy | _entity_scores(gold, predicted, lengths, tags)


def majority(train: pa.Table, split: pa.Table, labels: tuple[str, ...]) -> dict[str, float]:
    """The metrics of the tagger that gives every word the most frequent training tag, the lowest id among equals."""
    known, _ = ragged(train, "label")
    gold, lengths = ragged(split, "label")
    if len(known) == 0:
        raise ValueError("no words to count in the training set")
    return scores(gold, np.full(len(gold), np.bincount(known).argmax()), lengths, labels)


def confusion(predictions: pa.Table, labels: tuple[str, ...], **tuned: float) -> tuple[tuple[str, ...], NDArray[np.int64]] | None:
    """Names and counts of words [true, predicted]: entity types with O last, or plain tags; None for more than 30 names."""
    gold, predicted, lengths = words_of(predictions)
    gold, predicted = _checked(gold, predicted, lengths, len(labels))
    tags = tag_set(labels)
    names = labels if tags is None else (*tags.types, OUTSIDE)
    if len(names) > MAX_CONFUSION_NAMES:
        return None
    if tags is not None:
        gold, predicted = tags.type_ids[gold], tags.type_ids[predicted]
    return names, _cross(gold, predicted, len(names))


def _entity_scores(gold: Ints, predicted: Ints, lengths: Ints, tags: TagSet) -> dict[str, float]:
    n_types = len(tags.types)
    found = matches(entity_spans(gold, lengths, tags), entity_spans(predicted, lengths, tags), n_types)
    result = _micro("", *found) | averages(*found) | by_name(tags.types, *found)
    if tags.has_strict_reading:
        strict_gold, strict_predicted = (entity_spans(ids, lengths, tags, strict=True) for ids in (gold, predicted))
        result |= _micro("strict_", *matches(strict_gold, strict_predicted, n_types))
    return result


def _micro(prefix: str, hits: Ints, true: Ints, predicted: Ints) -> dict[str, float]:
    n_hits, n_true, n_predicted = hits.sum(), true.sum(), predicted.sum()
    return {
        f"{prefix}precision": float(ratio(n_hits, n_predicted)),
        f"{prefix}recall": float(ratio(n_hits, n_true)),
        f"{prefix}f1": float(f1_of(n_hits, n_true, n_predicted)),
    }


def _cross(gold: Ints, predicted: Ints, n: int) -> NDArray[np.int64]:
    return np.bincount(gold * n + predicted, minlength=n * n).reshape(n, n)


def words_of(predictions: pa.Table) -> tuple[Ints, Ints, Ints]:
    """True and predicted label ids of all words [words], and the lengths of the sentences."""
    gold, lengths = ragged(predictions, "label")
    predicted, answered = ragged(predictions, "predicted")
    if (lengths != answered).any():
        row = int(np.flatnonzero(lengths != answered)[0])
        raise ValueError(f"row {row} has {lengths[row]} labels and {answered[row]} predictions")
    return gold, predicted, lengths


def _checked(gold: Ints, predicted: Ints, lengths: Ints, n_labels: int) -> tuple[Ints, Ints]:
    gold, predicted = np.asarray(gold, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if gold.shape != predicted.shape or np.sum(lengths) != len(gold):
        raise ValueError(f"{len(gold)} labels, {len(predicted)} predictions and {np.sum(lengths)} words do not fit")
    if len(gold) == 0:
        raise ValueError("no words to score")
    for ids in (gold, predicted):
        if ids.min() < 0 or ids.max() >= n_labels:
            raise ValueError(f"label ids must lie in 0 … {n_labels - 1}, found {ids.min()} … {ids.max()}")
    return gold, predicted
