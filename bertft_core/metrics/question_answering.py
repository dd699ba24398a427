"""Scores of extractive question answering, SQuAD 1.1 and 2.0; shares in [0, 1], times 100 the official numbers.

A table with null scores is scored as SQuAD 2.0: the answer is empty where the null score exceeds the score of the best
candidate by more than the null threshold. A table whose `null_score` is null is scored as SQuAD 1.1.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bertft_core.metrics.null_threshold import best_threshold, mean_score, official_best
from bertft_core.metrics.precision_recall import Bools, Floats
from bertft_core.metrics.prediction_columns import column, list_lengths, numbers, vector
from bertft_core.metrics.squad_text import exact_score, f1_score

MEASURES = {"exact": exact_score, "f1": f1_score}


class Questions(NamedTuple):
    """The best candidates of a table: texts [n] ("" without a candidate), null odds [n] (None in SQuAD 1.1), gold answers."""

    texts: list[str]
    odds: Floats | None
    answers: list[list[str]]


def compute(
    predictions: pa.Table, labels: tuple[str, ...] = (), *, null_threshold: float = 0.0, **tuned: float
) -> dict[str, float]:
    """Every metric of one table of predictions with the columns `answers`, `null_score` and `candidates`.

    `exact` and `f1` always. In SQuAD 2.0 also `has_ans_…` and `no_ans_…` over the answerable and the unanswerable questions
    (absent where there is none), the `null_threshold` used, `best_…`, the best that any threshold attains on this table, and
    `official_best_…`, what the official search reports for it, which is too high where null odds tie.
    `null_threshold` has no effect in SQuAD 1.1. Raises `ValueError` for no questions, null scores only in part, scores or a
    threshold that are not finite, and questions without answers in SQuAD 1.1.
    """
    questions = _questions(predictions)
    if questions.odds is None:
        return _means(_chosen(questions, null_threshold), questions.answers, v2=False)
    scores = _means(_chosen(questions, null_threshold), questions.answers, v2=True) | {"null_threshold": float(null_threshold)}
    for name in MEASURES:
        answered, empty = _both_ways(questions, name)
        threshold = best_threshold(questions.odds, answered, empty)
        scores[f"best_{name}"] = mean_score(questions.odds, answered, empty, threshold)
        has_text = np.array([bool(text) for text in questions.texts])
        scores[f"official_best_{name}"] = official_best(questions.odds, answered, _has_answer(questions.answers), has_text)
    return scores


def predicted_texts(predictions: pa.Table, null_threshold: float = 0.0) -> list[str]:
    """The predicted text of each question, "" for no answer."""
    return _chosen(_questions(predictions), null_threshold)


def per_question(predictions: pa.Table, null_threshold: float = 0.0) -> dict[str, Floats]:
    """`exact` [n] and `f1` [n] of each question; `compute` gives their means."""
    questions = _questions(predictions)
    return _scored(_chosen(questions, null_threshold), questions.answers, v2=questions.odds is not None)


def tune(validation: pa.Table, labels: tuple[str, ...] = ()) -> dict[str, float]:
    """The null threshold with the best attainable F1 on `validation`; nothing in SQuAD 1.1.

    It lies midway between two null odds, so that it equals none; among equal F1 the one nearest 0.
    """
    questions = _questions(validation)
    if questions.odds is None:
        return {}
    return {"null_threshold": best_threshold(questions.odds, *_both_ways(questions, "f1"))}


def majority(train: pa.Table, split: pa.Table, labels: tuple[str, ...] = ()) -> dict[str, float]:
    """The metrics of the answer that is always empty, whatever the threshold; SQuAD 2.0 where a question of either table
    is unanswerable.
    """
    answers = _answers(split)
    v2 = not (_has_answer(answers).all() and _has_answer(_answers(train)).all())
    means = _means([""] * len(answers), answers, v2=v2)
    return means | ({f"best_{name}": means[name] for name in MEASURES} if v2 else {})


def confusion(
    predictions: pa.Table, labels: tuple[str, ...] = (), *, null_threshold: float = 0.0, **tuned: float
) -> tuple[tuple[str, ...], NDArray[np.int64]] | None:
    """Counts [true, predicted] of answerable and unanswerable questions, predicted = a text or empty; None in SQuAD 1.1."""
    questions = _questions(predictions)
    if questions.odds is None:
        return None
    left_empty = np.array([text == "" for text in _chosen(questions, null_threshold)])
    cells = 2 * ~_has_answer(questions.answers) + left_empty
    return ("answerable", "unanswerable"), np.bincount(cells, minlength=4).reshape(2, 2)


def _means(texts: list[str], answers: list[list[str]], *, v2: bool) -> dict[str, float]:
    scored = _scored(texts, answers, v2=v2)
    groups = {"": np.ones(len(answers), dtype=bool)}
    if v2:
        groups |= {"has_ans_": _has_answer(answers), "no_ans_": ~_has_answer(answers)}
    return {
        f"{group}{name}": float(values[rows].mean())
        for group, rows in groups.items()
        for name, values in scored.items()
        if rows.any()
    }


def _scored(texts: list[str], answers: list[list[str]], *, v2: bool) -> dict[str, Floats]:
    pairs = list(zip(texts, answers, strict=True))
    return {name: np.array([measure(*pair, v2=v2) for pair in pairs]) for name, measure in MEASURES.items()}


def _both_ways(questions: Questions, name: str) -> tuple[Floats, Floats]:
    """Scores of SQuAD 2.0 when every question is answered [n] and when every one is left empty [n]."""
    measure = MEASURES[name]
    answered = [measure(text, answers) for text, answers in zip(questions.texts, questions.answers, strict=True)]
    return np.array(answered), np.array([measure("", answers) for answers in questions.answers])


def _chosen(questions: Questions, null_threshold: float) -> list[str]:
    if not np.isfinite(null_threshold):
        raise ValueError(f"the null threshold must be finite, found {null_threshold}")
    if questions.odds is None:
        return questions.texts
    return ["" if odds > null_threshold else text for text, odds in zip(questions.texts, questions.odds, strict=True)]


def _questions(predictions: pa.Table) -> Questions:
    answers = _answers(predictions)
    texts, scores = _best_candidates(predictions)
    if predictions.column("null_score").null_count == predictions.num_rows:
        return Questions(texts, None, answers)
    null_scores = vector(predictions, "null_score").astype(np.float64)
    if not np.isfinite(null_scores).all():
        raise ValueError("null scores hold NaN or infinity")
    return Questions(texts, null_scores - scores, answers)


def _best_candidates(predictions: pa.Table) -> tuple[list[str], Floats]:
    """Text and score of the best candidate of each question, the first among equals; "" and -inf without one."""
    lists = column(predictions, "candidates")
    candidates, lengths = lists.flatten(), list_lengths(lists)
    scores = numbers(candidates.field("score")).astype(np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("candidate scores hold NaN or infinity")
    rows = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((-scores, rows))
    best = order[(np.cumsum(lengths) - lengths)[lengths > 0]]
    texts, highest = np.full(len(lengths), "", dtype=object), np.full(len(lengths), -np.inf)
    texts[lengths > 0] = candidates.field("text").take(pa.array(best)).to_pylist()
    highest[lengths > 0] = scores[best]
    return texts.tolist(), highest


def _answers(table: pa.Table) -> list[list[str]]:
    return column(table, "answers").to_pylist()


def _has_answer(answers: list[list[str]]) -> Bools:
    return np.array([len(texts) > 0 for texts in answers])
