"""Stored predictions come back as they were written."""

import numpy as np
import pytest

from bertft_core.records.predictions import read_predictions, write_predictions


def test_predictions_come_back_as_they_were_written(tmp_path):
    logits = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    write_predictions(tmp_path / "a" / "test.parquet", [f"test/{i}" for i in range(5)], [0, 1, 2, 1, 0], logits)
    got = read_predictions(tmp_path / "a" / "test.parquet")
    assert got.example_ids == [f"test/{i}" for i in range(5)]
    assert (got.labels.tolist(), got.labels.dtype) == ([0, 1, 2, 1, 0], np.int32)
    assert got.logits.dtype == np.float32
    assert (got.logits == logits).all()


def test_the_same_predictions_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_predictions(tmp_path / name, ["x", "y"], [0, 1], [[0.5, 1.0], [2.0, 3.0]])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_lengths_that_differ_are_refused(tmp_path):
    with pytest.raises(ValueError, match="do not fit together"):
        write_predictions(tmp_path / "a", ["x"], [0, 1], [[0.5, 1.0], [2.0, 3.0]])


def test_a_missing_file_and_a_foreign_file_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_predictions(tmp_path / "gone.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match="holds no predictions"):
        read_predictions(tmp_path / "torn.parquet")
