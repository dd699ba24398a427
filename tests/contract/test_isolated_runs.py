"""A run with stored features of its own computes what an earlier one has stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertft_core.records import RunSpec
from bertft_core.training.retraining import isolated
from bertft_core.training.run import train_run
from tests.helpers.tiny_studies import tiny_spec, tiny_study


@pytest.fixture
def spec(tmp_path) -> RunSpec:
    return tiny_spec(*tiny_study(tmp_path), "features")


def test_an_isolated_run_computes_what_an_earlier_one_has_stored(spec, tmp_path):
    record = train_run(spec, run_dir=tmp_path / "first")
    stored = list(Path(spec.prepared_dir).glob("features/*/*.npy"))
    assert len(stored) >= 3
    alone = isolated(spec, tmp_path / "alone")
    assert not (tmp_path / "alone" / "features").exists()
    again = train_run(alone, run_dir=tmp_path / "again")
    assert len(list((tmp_path / "alone").glob("features/*/*.npy"))) == len(stored)
    assert again.weights_sha256 == record.weights_sha256
    assert alone.digest == spec.digest
