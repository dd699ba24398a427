"""Prediction files read once for all who need them: tables stay in memory, within a bound, and share their equal columns.

Scores, ensembles, agreement, comparison, labels and figures all start from the same files. Runs of one arm predict the same
examples, so ids and true labels are held once for all of them; what is left of a run is its answers.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bertft_core.storage.file_signatures import Signature, signature_of
from bertft_core.storage.predictions import read_predictions

if TYPE_CHECKING:
    import pyarrow as pa

BYTES_IN_MEMORY = 96 * 2**20
"""Of tables that are kept: those of 1,000 runs on 3 sets of 1,000 examples. Beyond it those used longest ago are read again."""
BYTES_OF_TABLE = 2_000
"""About what a table takes besides its numbers."""


class _Kept(NamedTuple):
    signature: Signature
    table: pa.Table
    n_bytes: int


class PredictionFiles:
    """Reads prediction files, each once as long as all fit in memory."""

    def __init__(self, bytes_in_memory: int = BYTES_IN_MEMORY) -> None:
        self._room = bytes_in_memory
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        """By path, those used longest ago first."""
        self._columns: dict[tuple[str, str], pa.ChunkedArray] = {}
        """Name of the file and of the column → the one that was read last."""
        self._schemas: dict[pa.Schema, pa.Schema] = {}
        self.tuned: dict[tuple[str, Signature], dict[str, float]] = {}
        """A validation file → what evaluation has tuned on it."""

    def read(self, path: Path | str) -> pa.Table:
        """The table in a file; as a string it is found in a third of the time. Raises as `read_predictions` does."""
        path = os.fspath(path)
        signature = signature_of(path)
        kept = self._kept.get(path)
        if kept is not None and kept.signature == signature:
            self._kept.move_to_end(path)
            return kept.table
        self._forget(path)
        table, n_bytes = self._sharing(read_predictions(Path(path)), Path(path).name)
        self._kept[path] = _Kept(signature, table, n_bytes)
        self._room -= n_bytes
        while self._room < 0 and len(self._kept) > 1:
            self._forget(next(iter(self._kept)))
        return table

    def _forget(self, path: str) -> None:
        kept = self._kept.pop(path, None)
        if kept is not None:
            self._room += kept.n_bytes

    def _sharing(self, table: pa.Table, name: str) -> tuple[pa.Table, int]:
        """The table with columns of earlier ones where they are equal, and the bytes that it adds to them."""
        import pyarrow as pa

        columns, n_bytes = [], BYTES_OF_TABLE
        for title, column in zip(table.column_names, table.columns, strict=True):
            earlier = self._columns.get((name, title))
            if earlier is None or not earlier.equals(column):
                earlier = self._columns[name, title] = column
                n_bytes += column.nbytes
            columns.append(earlier)
        schema = self._schemas.setdefault(table.schema, table.schema)
        return pa.Table.from_arrays(columns, schema=schema), n_bytes
