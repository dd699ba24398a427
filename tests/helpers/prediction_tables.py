"""Tables of predictions of every kind of head, made up from a random number generator: what tests over all metrics start from."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bertft_core.records.list_columns import matrix_column, ragged_column

CANDIDATE = pa.struct([("text", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("score", pa.float32())])
TEXTS = ("red fox jumps", "the red hen", "blue", "a fox")


class Predicted(NamedTuple):
    """Kind of the head, its labels, and a function that makes a table of n examples."""

    kind: str
    labels: tuple[str, ...]
    make: Callable[[np.random.Generator, int], pa.Table]


def _ids(n: int) -> pa.Array:
    return pa.array([f"test/{i}" for i in range(n)])


def _classified(n_labels: int) -> Callable[[np.random.Generator, int], pa.Table]:
    def make(rng: np.random.Generator, n: int) -> pa.Table:
        gold = rng.integers(0, n_labels, n)
        logits = rng.normal(size=(n, n_labels)) + 1.5 * (gold[:, None] == np.arange(n_labels))
        return pa.table(
            {"example_id": _ids(n), "label": pa.array(gold, pa.int32()), "logits": matrix_column(logits.astype(np.float32))}
        )

    return make


def _multi_label(rng: np.random.Generator, n: int) -> pa.Table:
    on = rng.random((n, 3)) < (0.5, 0.3, 0.1)
    logits = (rng.normal(size=on.shape) + on * 1.5 - 0.7).astype(np.float32)
    return pa.table({"example_id": _ids(n), "label": matrix_column(on.astype(np.float32)), "logits": matrix_column(logits)})


def _numbers(rng: np.random.Generator, n: int) -> pa.Table:
    true = rng.integers(0, 6, n).astype(np.float32)  # ties, as in STS-B
    predicted = (true + rng.normal(size=n)).round(1).astype(np.float32)
    return pa.table({"example_id": _ids(n), "label": true, "predicted": predicted})


def _tagged(n_labels: int) -> Callable[[np.random.Generator, int], pa.Table]:
    def make(rng: np.random.Generator, n: int) -> pa.Table:
        gold = [rng.integers(0, n_labels, length).astype(np.int32) for length in rng.integers(1, 9, n)]
        other = [np.where(rng.random(len(row)) < 0.7, row, rng.integers(0, n_labels, len(row))).astype(np.int32) for row in gold]
        return pa.table({"example_id": _ids(n), "label": ragged_column(gold), "predicted": ragged_column(other)})

    return make


def _questions(*, unanswerable: bool) -> Callable[[np.random.Generator, int], pa.Table]:
    def make(rng: np.random.Generator, n: int) -> pa.Table:
        answers = [[] if unanswerable and rng.random() < 0.4 else [str(rng.choice(TEXTS))] for _ in range(n)]
        picked = [[str(text) for text in rng.choice(TEXTS, 2, replace=False)] for _ in range(n)]
        candidates = [
            [{"text": t, "start": 0, "end": len(t), "score": float(rng.normal())} for t in texts] if i else []
            for i, texts in enumerate(picked)
        ]
        nulls = rng.normal(size=n).round(1).tolist() if unanswerable else [None] * n
        columns = {
            "example_id": _ids(n),
            "answers": pa.array(answers, pa.list_(pa.string())),
            "null_score": pa.array(nulls, pa.float32()),
            "candidates": pa.array(candidates, pa.list_(CANDIDATE)),
        }
        return pa.table(columns)

    return make


def _masked(rng: np.random.Generator, n: int) -> pa.Table:
    masked = rng.integers(0, 9, n)
    loss = rng.gamma(2.0, 1.0, n) * masked
    return pa.table({"example_id": _ids(n), "n_masked": masked, "n_correct": rng.binomial(masked, 0.4), "loss": loss})


EVERY_KIND = {
    "two classes": Predicted("classification", ("negative", "positive"), _classified(2)),
    "four classes": Predicted("classification", ("a", "b", "c", "d"), _classified(4)),
    "labels on or off": Predicted("multi_label", ("x", "y", "z"), _multi_label),
    "numbers": Predicted("regression", (), _numbers),
    "entities IOB2": Predicted("token_classification", ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"), _tagged(5)),
    "entities IO": Predicted("token_classification", ("O", "I-PER", "I-LOC"), _tagged(3)),
    "entities IOBES": Predicted("token_classification", ("O", "B-X", "I-X", "E-X", "S-X"), _tagged(5)),
    "plain tags": Predicted("token_classification", ("NOUN", "VERB", "ADJ"), _tagged(3)),
    "SQuAD 1.1": Predicted("question_answering", (), _questions(unanswerable=False)),
    "SQuAD 2.0": Predicted("question_answering", (), _questions(unanswerable=True)),
    "masked pieces": Predicted("masked_lm", (), _masked),
}
"""One or more for each kind of head."""
