"""Predictions of several seeds, written by hand: what tests of ensembles and of agreement start from."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bertft_core.records.list_columns import matrix_column, ragged_column

BIO = ("O", "B-X", "I-X")


CANDIDATES = pa.list_(pa.struct([("text", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("score", pa.float32())]))


def log(probabilities) -> np.ndarray:
    return np.log(np.array(probabilities))


def multi_labelled(targets, logits) -> pa.Table:
    ids = [str(i) for i in range(len(targets))]
    return pa.table(
        {"example_id": ids, "label": matrix_column(np.array(targets, np.int8)), "logits": matrix_column(np.array(logits))}
    )


def numbered(true, predicted) -> pa.Table:
    return pa.table(
        {"example_id": [str(i) for i in range(len(true))], "label": true, "predicted": pa.array(predicted, pa.float32())}
    )


def tagged(label, predicted, probabilities=None) -> pa.Table:
    """Sentences of tag ids; without `probabilities` the logits say nothing, as those of a CRF."""
    shares = [np.full((len(row), 3), 1 / 3) for row in label] if probabilities is None else probabilities
    columns = {
        name: ragged_column([np.array(row, np.int32) for row in rows])
        for name, rows in (("label", label), ("predicted", predicted))
    }
    return pa.table(
        {"example_id": [str(i) for i in range(len(label))], **columns, "logits": ragged_column([log(row) for row in shares])}
    )


def asked(answers, candidates, nulls) -> pa.Table:
    """Questions with (text, start, score) candidates and null scores, None in SQuAD 1.1."""
    rows = [[{"text": t, "start": s, "end": s + len(t), "score": score} for t, s, score in of] for of in candidates]
    return pa.table(
        {
            "example_id": [str(i) for i in range(len(answers))],
            "answers": pa.array(answers, pa.list_(pa.string())),
            "null_score": pa.array(nulls, pa.float32()),
            "candidates": pa.array(rows, CANDIDATES),
        }
    )
