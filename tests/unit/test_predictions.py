"""Stored predictions come back as they were written."""

import numpy as np
import pyarrow as pa
import pytest

from bertft_core.metrics.prediction_columns import matrix, ragged, vector
from bertft_core.records.list_columns import ragged_column
from bertft_core.storage.predictions import read_predictions, write_predictions
from tests.helpers.small_records import classified


def test_predictions_come_back_as_they_were_written(tmp_path):
    logits = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    write_predictions(tmp_path / "a" / "test.parquet", classified([f"test/{i}" for i in range(5)], [0, 1, 2, 1, 0], logits))
    got = read_predictions(tmp_path / "a" / "test.parquet")
    assert got["example_id"].to_pylist() == [f"test/{i}" for i in range(5)]
    labels, back = vector(got, "label"), matrix(got, "logits", 3)
    assert (labels.tolist(), labels.dtype) == ([0, 1, 2, 1, 0], np.int32)
    assert back.dtype == np.float32
    assert (back == logits).all()


def test_lists_of_different_lengths_come_back_as_they_were_written(tmp_path):
    rows = [np.arange(k, dtype=np.int32) for k in (2, 0, 3)]
    logits = [np.full((len(row), 2), k, np.float32) for k, row in enumerate(rows)]
    table = pa.table({"example_id": ["a", "b", "c"], "tags": ragged_column(rows), "logits": ragged_column(logits)})
    write_predictions(tmp_path / "p", table)
    got = read_predictions(tmp_path / "p")
    assert got["logits"].to_pylist() == [rows.tolist() for rows in logits]
    values, lengths = ragged(got, "tags")
    assert (values.tolist(), lengths.tolist()) == ([0, 1, 0, 1, 2], [2, 0, 3])


def test_the_same_predictions_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_predictions(tmp_path / name, classified(["x", "y"], [0, 1], [[0.5, 1.0], [2.0, 3.0]]))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_file_and_a_foreign_file_are_distinguished(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_predictions(tmp_path / "gone.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match="holds no predictions"):
        read_predictions(tmp_path / "torn.parquet")
    (tmp_path / "other").write_bytes(b"")
    write_predictions(tmp_path / "other", pa.table({"x": [1]}))
    with pytest.raises(ValueError, match="its columns are x"):
        read_predictions(tmp_path / "other")
