"""A tokenised split, memory-mapped so that all runs on a machine share its pages. Needs only numpy and pyarrow."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa


class PreparedSplit:
    """The rows of one `<split>.arrow`; see `tokenization.table_of` and the head's alignment for its columns."""

    def __init__(self, table: pa.Table, name: str) -> None:
        self.name = name
        self.table = table
        self._ids = _flat(table, "input_ids")
        self._types = _flat(table, "token_type_ids") if "token_type_ids" in table.column_names else None
        self._has_windows = "window_lengths" in table.column_names
        self._ragged: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.part_of: tuple[PreparedSplit, np.ndarray] | None = None
        """Of a subset: the whole split and the rows [n] that are taken."""

    def subset(self, rows: np.ndarray) -> PreparedSplit:
        """A split of these rows, copied into memory; itself where they are all rows in their order."""
        if np.array_equal(rows, np.arange(self.n)):
            return self
        part = PreparedSplit(self.table.take(pa.array(rows)).combine_chunks(), self.name)
        part.part_of = (self, rows)
        return part

    @property
    def n(self) -> int:
        """Number of examples."""
        return self.table.num_rows

    def values(self, column: str) -> np.ndarray:
        """A number column, shape (n,); a read-only view."""
        return _values(self.table, column)

    def ragged(self, column: str, i: int) -> np.ndarray:
        """Row i of a list column of numbers; a read-only view."""
        if column not in self._ragged:
            self._ragged[column] = _flat(self.table, column)
        return _row(self._ragged[column], i)

    def matrix(self, column: str) -> np.ndarray:
        """A column of lists of the same number of numbers, shape (n, numbers); a read-only view."""
        (chunk,) = self.table[column].chunks
        return np.from_dlpack(chunk.flatten()).reshape(self.n, -1)

    @cached_property
    def labels(self) -> np.ndarray:
        """Label ids, int64, shape (n,), for heads with one label per example."""
        return _values(self.table, "label").astype(np.int64)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of all windows of an input, special tokens included, int64, shape (n,)."""
        return np.diff(self._ids[0])

    def window_lengths(self, i: int) -> np.ndarray:
        """Lengths of the windows of example i, which are concatenated in `input_ids`: int, shape (windows,)."""
        return self.ragged("window_lengths", i) if self._has_windows else self.lengths[i : i + 1]

    @property
    def n_tokens(self) -> np.ndarray:
        """Lengths before truncation, int32, shape (n,)."""
        return _values(self.table, "n_pieces")

    def truncated(self, max_length: int) -> np.ndarray:
        """Whether an input was truncated, bool, shape (n,); never with windows."""
        return np.zeros(self.n, bool) if self._has_windows else self.n_tokens > max_length

    @property
    def n_windows(self) -> int:
        """Windows of all inputs; the number of inputs if each is read whole."""
        return sum(len(self.window_lengths(i)) for i in range(self.n)) if self._has_windows else self.n

    @property
    def n_unknown(self) -> np.ndarray:
        """Unknown tokens of each input, int32, shape (n,)."""
        return _values(self.table, "n_unknown")

    @property
    def n_special(self) -> int:
        """Special tokens in every window of an input."""
        return int(self.table.schema.metadata[b"n_special"])

    @property
    def metadata(self) -> dict[str, str]:
        """What the alignment recorded about the tokenizer."""
        return {name.decode(): value.decode() for name, value in (self.table.schema.metadata or {}).items()}

    @property
    def pad_token_id(self) -> int:
        """The padding token of the tokenizer."""
        return int(self.table.schema.metadata[b"pad_token_id"])

    @property
    def all_input_ids(self) -> np.ndarray:
        """Token ids of all examples, one after the other, int, shape (tokens,)."""
        return self._ids[1]

    def input_ids(self, i: int) -> np.ndarray:
        """Token ids of example i, int32, shape (lengths[i],); a read-only view."""
        return _row(self._ids, i)

    def token_type_ids(self, i: int) -> np.ndarray | None:
        """Which text each token of example i belongs to, int8, or None if the model does not use it."""
        return None if self._types is None else _row(self._types, i)

    @cached_property
    def example_ids(self) -> list[str]:
        """Stable ids of the examples."""
        return self.table["example_id"].to_pylist()

    def texts(self, i: int) -> tuple[str, ...]:
        """The text of example i, or its two texts."""
        columns = [name for name in ("text", "text_b") if name in self.table.column_names]
        return tuple(self.table[name][i].as_py() for name in columns)


def open_split(directory: str | Path, split: str) -> PreparedSplit:
    """Map `<directory>/<split>.arrow` into memory. Raises `OSError` or `pyarrow.ArrowInvalid` if it is missing or damaged."""
    source = pa.memory_map(str(Path(directory) / f"{split}.arrow"))
    return PreparedSplit(pa.ipc.open_file(source).read_all(), split)


def _values(table: pa.Table, column: str) -> np.ndarray:
    """A number column as a read-only view, through DLPack because Arrow's own `to_numpy` imports pandas."""
    (chunk,) = table[column].chunks
    return np.from_dlpack(chunk)


def _flat(table: pa.Table, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (n + 1) and values of a list column, without a copy: a split is written as one batch."""
    (chunk,) = table[column].chunks
    return np.from_dlpack(chunk.offsets), np.from_dlpack(chunk.values)


def _row(column: tuple[np.ndarray, np.ndarray], i: int) -> np.ndarray:
    offsets, values = column
    return values[offsets[i] : offsets[i + 1]]
