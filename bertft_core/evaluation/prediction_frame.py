"""The stored predictions of a study in long form, the same columns for every head: one row per answer of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bertft_core.evaluation.run_scores import tuned_predictions
from bertft_core.metrics import METRICS
from bertft_core.records import RunRecord
from bertft_core.storage.study_results import StudyResults

COLUMNS = ("arm", "seed", "split", "example", "label", "prediction", "probability")
PART = "part"
"""Column of heads with several answers for an example: which label, or which word."""
OF_LABEL = "probability/"
"""Start of the columns with the probability of each label."""


def long_predictions(results: StudyResults, checkpoint: str | None = None) -> pd.DataFrame:
    """One row per run, split and answer, at one checkpoint (by default the headline's).

    `label` is the true answer and `prediction` the given one, `probability` that of the given one, where probabilities are
    stored. Of classification, `probability/LABEL` has that of every label. Multi-label and token classification have a row for
    each label and each word, which the column `part` names. Numbers of regression are numbers, other answers text. A masked
    language model stores no answers, so it has no rows.
    """
    checkpoint = checkpoint or results.summary.headline_checkpoint
    parts = []
    for arm in results.summary.arms:
        of_arm = results.of_arm(arm.arm)
        for record in results.scored_runs(arm.arm):
            for split in record.predictions.get(checkpoint, {}):
                found = tuned_predictions(of_arm, record, checkpoint, split)
                answers = None if found is None else _answers(record, *found)
                if answers is not None:
                    parts.append(answers.assign(arm=arm.arm, seed=record.spec.index, split=split))
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in zip(COLUMNS, _DTYPES, strict=True)})
    table = pd.concat(parts, ignore_index=True).astype({"seed": "Int64"})
    named = [name for name in (*COLUMNS[:4], PART, *COLUMNS[4:]) if name in table]
    return table[[*named, *(name for name in table if name not in named)]]


_DTYPES = ("str", "Int64", "str", "str", "str", "str", "float64")


def _answers(record: RunRecord, table: pa.Table, tuned: dict[str, float]) -> pd.DataFrame | None:
    """The columns but those that say which run and split it is; None where the head stores no answers."""
    spec, ids = record.spec, np.array(table["example_id"].to_pylist(), dtype=object)
    if spec.head.kind == "regression":
        values = {"label": table["label"].to_pandas(), "prediction": table["predicted"].to_pandas()}
        return pd.DataFrame({"example": ids, **values, "probability": np.nan}).astype({"example": "str"})
    found = METRICS[spec.head.kind].categorised([table], [tuned], spec.labels, spec.head)
    if found is None:
        return None
    given = found.answers[:, 0]
    columns: dict[str, Any] = {
        "example": ids[found.rows],
        "label": list(found.gold),
        "prediction": np.array(found.names, dtype=object)[given],
        "probability": np.nan,
    }
    if found.parts is not None:
        columns[PART] = list(found.parts)
    texts = [name for name in columns if name != "probability"]
    if found.probabilities is not None:
        shares = found.probabilities[0]()
        columns["probability"] = shares[np.arange(len(given)), given]
        if spec.head.kind == "classification":
            columns |= dict(_of_labels(shares, spec.labels))
    return pd.DataFrame(columns).astype(dict.fromkeys(texts, "str"))


def _of_labels(shares: np.ndarray[Any, np.dtype[np.float64]], labels: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    yield from ((f"{OF_LABEL}{label}", shares[:, i]) for i, label in enumerate(labels))
