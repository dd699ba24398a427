"""What several seeds say together: means of their probabilities, and how many of them agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.metrics.columns import column, matrix, numbers

Floats = NDArray[np.float64]
Answer = dict[str, Any]
Names = Sequence[str]


class SeedOutputs(NamedTuple):
    """What one seed gave."""

    table: pa.Table
    """The predictions of the head; see `bertft_core.records.predictions`."""
    tuned: Mapping[str, float]
    """What was tuned on the validation set, as `metrics` takes it."""


def matrix_of(table: pa.Table, name: str, width: int) -> Floats:
    """A column of lists of `width` numbers, [rows, width]."""
    return matrix(table, name, width).astype(np.float64)


def words_of(table: pa.Table, name: str) -> Floats:
    """A column of lists of lists [words, k] of all rows in a row: [all words, k]."""
    of_words = column(table, name).flatten()
    return numbers(of_words.flatten()).reshape(len(of_words), -1).astype(np.float64)


def softmax(logits: Floats) -> Floats:
    """Probabilities over the last axis; of no logits none."""
    if logits.size == 0:
        return logits
    exponentials: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def mean_of(values: Sequence[Floats]) -> Floats:
    """The mean over the seeds, place by place."""
    return sum(values[1:], start=values[0]) / len(values)


def rounded(value: float | np.floating[Any]) -> float:
    """To six places: what is left then is noise, and short lines."""
    return round(float(value), 6)


def named(names: Names, values: Floats) -> dict[str, float]:
    """Name → rounded value."""
    return {name: rounded(value) for name, value in zip(names, values, strict=True)}


def votes_of(prediction: str, own: Sequence[str]) -> Answer:
    """Nothing for one seed; else the share that agrees and the count of each seed's own answer, the most frequent first."""
    if len(own) < 2:
        return {}
    return {"agreement": rounded(own.count(prediction) / len(own)), "votes": dict(Counter(own).most_common())}


def votes_of_places(places: Sequence[tuple[int, NDArray[Any]]], names: Names) -> Answer:
    """The same for an input with several places to answer: a list over its places. Each is (prediction, the seeds' own)."""
    told = [votes_of(names[chosen], [names[i] for i in own]) for chosen, own in places]
    return {key: [place[key] for place in told] for key in ("agreement", "votes") if told and told[0]}
