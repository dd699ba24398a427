"""The logits of every evaluated example, kept as Parquet so that any score can be computed later without the model."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from bertft_core.records.store import write_atomically


@dataclass(frozen=True)
class Predictions:
    """One evaluated split, in the order of the data."""

    example_ids: list[str]
    labels: NDArray[np.int32]
    """[n]"""
    logits: NDArray[np.float32]
    """[n, classes]"""


def write_predictions(path: Path, example_ids: Sequence[str], labels: ArrayLike, logits: ArrayLike) -> None:
    """Write `labels` [n] and `logits` [n, classes] (stored as float32) of the named examples, atomically.

    The same values give the same bytes. Raises `ValueError` when the lengths differ.
    """
    values = np.ascontiguousarray(logits, dtype=np.float32)
    targets = np.asarray(labels, dtype=np.int32)
    if values.ndim != 2 or not len(example_ids) == len(targets) == len(values):
        raise ValueError(f"{len(example_ids)} ids, labels {targets.shape} and logits {values.shape} do not fit together")
    table = pa.table(
        {
            "example_id": pa.array(list(example_ids), pa.string()),
            "label": pa.array(targets, pa.int32()),
            "logits": pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), pa.float32()), values.shape[1]),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def read_predictions(path: Path) -> Predictions:
    """Read what `write_predictions` wrote. Raises `FileNotFoundError`, or `ValueError` for a file that is something else."""
    try:
        table = pq.read_table(path, partitioning=None).combine_chunks()
        lists = table.column("logits")
        n_classes = lists.type.list_size
        logits = pa.concat_arrays([chunk.flatten() for chunk in lists.chunks]).to_numpy(zero_copy_only=False)
        return Predictions(
            example_ids=table.column("example_id").to_pylist(),
            labels=table.column("label").to_numpy(),
            logits=logits.reshape(-1, n_classes),
        )
    except FileNotFoundError:
        raise
    except (pa.ArrowException, KeyError, AttributeError, OSError) as error:
        raise ValueError(f"{path} holds no predictions: {error}") from None
