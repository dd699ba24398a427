"""The predictions of every evaluated example, kept as Parquet so that any score can be computed later without the model.

One row for each example, in the order of the data; the columns are those of the head's kind (`bertft_core/metrics`).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from bertft_core.storage.study_dir import write_atomically

if TYPE_CHECKING:
    import pyarrow as pa

CONFIDENCES_FILE = "predictions/confidences.parquet"
"""In a run's folder: how likely it found the true label of each example at every evaluation; of older runs there is none.

`split`, `example_id`, `confidences` [evaluations], and in the metadata `steps` as JSON: split → step of each evaluation.
"""


def write_predictions(path: Path, predictions: pa.Table) -> None:
    """Write the table atomically; the same values give the same bytes."""
    import pyarrow.parquet as pq  # slow, for commands that read no predictions

    buffer = io.BytesIO()
    pq.write_table(predictions, buffer, compression="zstd")
    write_atomically(path, buffer.getvalue())


def read_predictions(path: Path) -> pa.Table:
    """Read what `write_predictions` wrote. Raises `FileNotFoundError`, or `ValueError` for a file that is something else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.exists() and not path.is_file():
        raise ValueError(f"{path} holds no predictions: it is not a file")
    try:
        content = pa.BufferReader(path.read_bytes())  # what helps Arrow to read parts of large files slows small ones
        with pq.ParquetFile(content, pre_buffer=False) as file:
            table = file.read(use_threads=False)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} holds no predictions: {error}") from None
    if "example_id" not in table.column_names:
        raise ValueError(f"{path} holds no predictions: its columns are {', '.join(table.column_names)}")
    return table if all(column.num_chunks == 1 for column in table.columns) else table.combine_chunks()
