"""Means over seeds: probabilities of several models for the same examples.

Every function takes one table of predictions for each seed, all with the same examples in the same order.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.metrics.prediction_columns import column, matrix, numbers

Floats = NDArray[np.float64]

QUESTIONS_AT_ONCE = 512
"""Questions whose candidates are in memory as Python objects at a time."""


def class_probabilities(tables: Sequence[pa.Table], n_labels: int) -> Floats:
    """Mean of the softmax of `logits`, [rows, labels]."""
    return mean_of([softmax(logits_of(table, n_labels)) for table in tables])


def label_probabilities(tables: Sequence[pa.Table], n_labels: int) -> Floats:
    """Mean of the sigmoid of `logits`, [rows, labels]."""
    return mean_of([sigmoid(logits_of(table, n_labels)) for table in tables])


def word_probabilities(tables: Sequence[pa.Table]) -> Floats:
    """Mean for all words in a row [words, labels]: of `marginals` where stored, else of the softmax of `logits`."""
    return mean_of(
        [
            words_of(table, "marginals") if "marginals" in table.column_names else softmax(words_of(table, "logits"))
            for table in tables
        ]
    )


def logits_of(table: pa.Table, n_labels: int) -> Floats:
    """The column `logits` [rows, labels]."""
    return matrix(table, "logits", n_labels).astype(np.float64)


def words_of(table: pa.Table, name: str) -> Floats:
    """A column of lists of lists [words, k] of all rows in a row: [all words, k]."""
    of_words = column(table, name).flatten()
    return numbers(of_words.flatten()).reshape(len(of_words), -1).astype(np.float64)


def softmax(logits: Floats) -> Floats:
    """Probabilities over the last axis; empty for no logits."""
    if logits.size == 0:
        return logits
    exponentials: Floats = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sigmoid(logits: Floats) -> Floats:
    """Probability that is on, element by element."""
    return 1 / (1 + np.exp(-np.clip(logits, -500, 500)))


def mean_of(values: Sequence[Floats]) -> Floats:
    """The elementwise mean over the seeds."""
    return sum(values[1:], start=values[0]) / len(values)


class Span(NamedTuple):
    """A candidate answer."""

    text: str
    start: int
    """First character in the context."""
    end: int
    """The character after the last."""
    probability: float


class QuestionMean(NamedTuple):
    """The answer of the seeds to one question."""

    spans: list[Span]
    """Every candidate of any seed, the likeliest first; equal ones in the order of the seeds."""
    no_answer: float | None
    """Probability; None in SQuAD 1.1."""
    odds: float | None
    """Mean null odds over the seeds with a candidate; None without any, and in SQuAD 1.1."""


def question_means(tables: Sequence[pa.Table]) -> Iterator[QuestionMean]:
    """The mean answer to each question, in the order of the tables.

    A seed's probabilities are the softmax over the scores of its candidates and, in SQuAD 2.0, its null score; a span that is
    none of a seed's candidates has 0 there. The null odds are those of the official score: null score minus best score.
    """
    for start in range(0, tables[0].num_rows, QUESTIONS_AT_ONCE):
        parts = [table.slice(start, QUESTIONS_AT_ONCE) for table in tables]
        candidates = [column(part, "candidates").to_pylist() for part in parts]
        nulls = [part["null_score"].to_pylist() for part in parts]
        for i in range(parts[0].num_rows):
            yield _question_mean([_seed_spans(of[i], null[i]) for of, null in zip(candidates, nulls, strict=True)])


class _SeedSpans(NamedTuple):
    spans: dict[tuple[int, int], tuple[str, float]]
    """Characters → text and probability."""
    no_answer: float | None
    odds: float | None


def _seed_spans(candidates: list[dict[str, Any]], null: float | None) -> _SeedSpans:
    scores = [item["score"] for item in candidates]
    shares = softmax(np.array([*scores, *([] if null is None else [null])]))
    spans = {(item["start"], item["end"]): (item["text"], float(share)) for item, share in zip(candidates, shares, strict=False)}
    if null is None:
        return _SeedSpans(spans, None, None)
    return _SeedSpans(spans, float(shares[-1]), null - max(scores) if scores else None)


def _question_mean(seeds: Sequence[_SeedSpans]) -> QuestionMean:
    texts = {place: text for seed in seeds for place, (text, _) in seed.spans.items()}
    absent = ("", 0.0)
    spans = [
        Span(text, *place, sum(seed.spans.get(place, absent)[1] for seed in seeds) / len(seeds)) for place, text in texts.items()
    ]
    odds = [seed.odds for seed in seeds if seed.odds is not None]
    nulls = [seed.no_answer for seed in seeds if seed.no_answer is not None]
    return QuestionMean(
        sorted(spans, key=lambda span: -span.probability),
        float(np.mean(nulls)) if nulls else None,
        float(np.mean(odds)) if odds else None,
    )
