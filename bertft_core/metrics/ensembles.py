"""The ensemble of several seeds as a table of predictions, in the columns that the metrics score.

The ensemble of a classifier is the mean of its seeds' probabilities, stored as logits with that softmax (or sigmoid).
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.config.head_settings import AnyHead
from bertft_core.metrics.prediction_columns import ragged, vector
from bertft_core.metrics.seed_means import (
    Floats,
    QuestionMean,
    class_probabilities,
    logits_of,
    mean_of,
    question_means,
    sigmoid,
    word_probabilities,
)
from bertft_core.records.list_columns import matrix_column, ragged_column

Labels = tuple[str, ...]

LEAST = np.finfo(np.float64).tiny
"""Stands in for a probability that has underflowed, so that every logit is finite."""


def classification(tables: Sequence[pa.Table], labels: Labels, head: AnyHead) -> pa.Table:
    """Logits of the mean softmax."""
    return _with(tables[0], "logits", matrix_column(_log(class_probabilities(tables, len(labels)))))


def multi_label(tables: Sequence[pa.Table], labels: Labels, head: AnyHead) -> pa.Table:
    """Logits of the mean sigmoid; off is averaged separately, so that a probability near one keeps its digits."""
    logits = [logits_of(table, len(labels)) for table in tables]
    on, off = (mean_of([sigmoid(sign * values) for values in logits]) for sign in (1, -1))
    return _with(tables[0], "logits", matrix_column(_log(on) - _log(off)))


def regression(tables: Sequence[pa.Table], labels: Labels, head: AnyHead) -> pa.Table:
    """The mean number."""
    return _with(tables[0], "predicted", pa.array(mean_of([vector(t, "predicted").astype(np.float64) for t in tables])))


def token_classification(tables: Sequence[pa.Table], labels: Labels, head: AnyHead) -> pa.Table:
    """For each word the tag with the highest mean probability, or with a CRF, which stores none, that of most seeds."""
    if getattr(head, "crf", False):
        return _voted_tags(tables)
    return _with_tags(tables[0], word_probabilities(tables).argmax(axis=1))


def _voted_tags(tables: Sequence[pa.Table]) -> pa.Table:
    """For each word the tag that most seeds gave, among equals that of the earliest seed."""
    own = np.stack([ragged(table, "predicted")[0] for table in tables], axis=1)
    votes = (own[:, :, None] == own[:, None, :]).sum(axis=2)
    return _with_tags(tables[0], own[np.arange(len(own)), votes.argmax(axis=1)])


def question_answering(tables: Sequence[pa.Table], labels: Labels, head: AnyHead) -> pa.Table:
    """Candidates with the log of their mean probability, the best one at 0, so that the null score is the mean null odds."""
    means = list(question_means(tables))
    null_scores = [mean.odds if mean.odds is not None else 0.0 for mean in means]
    no_nulls = tables[0]["null_score"].null_count == tables[0].num_rows
    nulls = pa.array([None] * len(means) if no_nulls else null_scores, pa.float64())
    return _with(_with(tables[0], "null_score", nulls), "candidates", pa.array([_candidates(mean) for mean in means], CANDIDATES))


CANDIDATES = pa.list_(pa.struct([("text", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("score", pa.float64())]))


def _candidates(mean: QuestionMean) -> list[dict[str, object]]:
    logs = _log(np.array([span.probability for span in mean.spans]))
    return [
        {"text": span.text, "start": span.start, "end": span.end, "score": score}
        for span, score in zip(mean.spans, (logs - logs[:1]).tolist(), strict=True)
    ]


def _log(probabilities: Floats) -> Floats:
    return np.log(np.maximum(probabilities, LEAST))


def _with_tags(table: pa.Table, tags: NDArray[np.integer]) -> pa.Table:
    lengths = ragged(table, "label")[1]
    return _with(table, "predicted", ragged_column(np.split(tags.astype(np.int32), np.cumsum(lengths)[:-1])))


def _with(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)
