"""The answers of several seeds as categories, unit by unit: an example, one of its labels, a word, or a question.

Every function takes one table of predictions for each seed, all with the same examples in the same order, and for each what was
tuned on its own validation set.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.config.head_settings import AnyHead
from bertft_core.metrics.precision_recall import Bools, Ints
from bertft_core.metrics.prediction_columns import column, matrix, ragged, vector
from bertft_core.metrics.question_answering import per_question, predicted_texts
from bertft_core.metrics.seed_means import Floats, logits_of, sigmoid, softmax, words_of
from bertft_core.metrics.squad_text import normalise

NO_ANSWER = "(no answer)"
Labels = tuple[str, ...]
Tuned = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Categories:
    """The answers of all seeds to all units."""

    unit: str
    """What one unit is called."""
    answers: Ints
    """Ids [units, seeds]."""
    names: Sequence[str]
    """Id → answer."""
    gold: Sequence[str]
    """Of each unit."""
    right: Bools
    """[units, seeds]"""
    rows: Ints
    """Unit → row of its example in the tables."""
    parts: Sequence[str] | None = None
    """Unit → which label or word of its example."""
    probabilities: tuple[Callable[[], Floats], ...] | None = None
    """For each seed, when called, [units, classes]; None where none are stored."""


def classes(tables: Sequence[pa.Table], tuned: Tuned, labels: Labels, head: AnyHead) -> Categories:
    """Each example is a unit."""
    gold = vector(tables[0], "label")
    answers = np.stack([logits_of(table, len(labels)).argmax(axis=1) for table in tables], axis=1)
    return Categories(
        unit="example",
        answers=answers,
        names=labels,
        gold=[labels[i] for i in gold.tolist()],
        right=answers == gold[:, None],
        rows=np.arange(len(gold)),
        probabilities=tuple(partial(_class_probabilities, table, len(labels)) for table in tables),
    )


def labels_on(tables: Sequence[pa.Table], tuned: Tuned, labels: Labels, head: AnyHead) -> Categories:
    """Each label of each example is a unit: off or on."""
    on = matrix(tables[0], "label", len(labels)).astype(np.int64).ravel()
    answers = np.stack([(logits_of(table, len(labels)) > 0).astype(np.int64).ravel() for table in tables], axis=1)
    return Categories(
        unit="label",
        answers=answers,
        names=("off", "on"),
        gold=[("off", "on")[i] for i in on.tolist()],
        right=answers == on[:, None],
        rows=np.repeat(np.arange(tables[0].num_rows), len(labels)),
        parts=labels * tables[0].num_rows,
        probabilities=tuple(partial(_label_probabilities, table, len(labels)) for table in tables),
    )


def words(tables: Sequence[pa.Table], tuned: Tuned, labels: Labels, head: AnyHead) -> Categories:
    """Each word is a unit; of a CRF no probabilities are stored."""
    gold, lengths = ragged(tables[0], "label")
    answers = np.stack([ragged(table, "predicted")[0] for table in tables], axis=1).astype(np.int64)
    stored = not getattr(head, "crf", False) and all("logits" in table.column_names for table in tables)
    return Categories(
        unit="word",
        answers=answers,
        names=labels,
        gold=[labels[i] for i in gold.tolist()],
        right=answers == gold[:, None],
        rows=np.repeat(np.arange(len(lengths)), lengths),
        parts=[f"word {i}" for length in lengths.tolist() for i in range(1, length + 1)],
        probabilities=tuple(partial(_word_probabilities, table) for table in tables) if stored else None,
    )


def questions(tables: Sequence[pa.Table], tuned: Tuned, labels: Labels, head: AnyHead) -> Categories:
    """Texts that SQuAD's comparison takes for equal are one answer, shown as first written."""
    ids: dict[str, int] = {}
    names: list[str] = []
    answers = np.zeros((tables[0].num_rows, len(tables)), dtype=np.int64)
    right: NDArray[np.bool_] = np.zeros(answers.shape, dtype=bool)
    for seed, (table, found) in enumerate(zip(tables, tuned, strict=True)):
        for row, text in enumerate(predicted_texts(table, **found)):
            key = normalise(text)
            if key not in ids:
                ids[key] = len(names)
                names.append(text or NO_ANSWER)
            answers[row, seed] = ids[key]
        right[:, seed] = per_question(table, **found)["exact"] == 1.0
    gold = [texts[0] if texts else NO_ANSWER for texts in column(tables[0], "answers").to_pylist()]
    return Categories("question", answers, names, gold, right, np.arange(len(gold)))


def _class_probabilities(table: pa.Table, n_labels: int) -> Floats:
    return softmax(logits_of(table, n_labels))


def _label_probabilities(table: pa.Table, n_labels: int) -> Floats:
    on = sigmoid(logits_of(table, n_labels)).ravel()
    return np.stack([1 - on, on], axis=1)


def _word_probabilities(table: pa.Table) -> Floats:
    return softmax(words_of(table, "logits"))
