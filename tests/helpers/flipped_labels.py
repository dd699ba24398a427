"""Studies whose runs know better than some of their labels, made without training, and tables of tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bertft_core.records.list_columns import ragged_column
from bertft_core.storage.predictions import write_predictions
from bertft_core.storage.study_results import StudyResults
from tests.helpers.diagnosed_studies import build
from tests.helpers.small_records import classified

N = 400
FLIPPED = tuple(20 * i + i % 2 for i in range(N // 20))
"""5 % of the labels, of both kinds."""


def with_flips(
    folder: Path,
    flipped: tuple[int, ...] = FLIPPED,
    splits: tuple[str, ...] = ("validation", "test"),
    sharpness: float = 4.0,
    **study: Any,
) -> StudyResults:
    """A study whose runs know the true labels of these splits, of which some are stored wrong."""
    sizes = {"train": 400, "validation": N, "test": N}
    results = build(folder, sizes=sizes, **study)
    labels = np.arange(N) % 2
    stored = labels.copy()
    stored[list(flipped)] = 1 - stored[list(flipped)]
    for record in results.records.values():
        rng = np.random.default_rng([record.spec.index, len(record.spec.arm)])
        for split in splits:
            logits = rng.normal(size=(N, 2))
            logits[np.arange(N), labels] += sharpness
            table = classified([f"{split}-{i:05d}" for i in range(N)], stored, logits)
            write_predictions(results.run_dir_of(record.digest) / record.predictions["best"][split], table)
    return results


def tagged(ids: list[str], labels: list[list[int]], logits: Any) -> pa.Table:
    """Predictions of a tagger with two tags as a run stores them."""
    columns = {
        "example_id": pa.array(ids, pa.string()),
        "label": ragged_column([np.array(row, np.int32) for row in labels]),
        "predicted": ragged_column([np.array(row, np.int32) for row in labels]),
        "logits": pa.array(logits, pa.list_(pa.list_(pa.float32(), 2))),
    }
    return pa.table(columns)
