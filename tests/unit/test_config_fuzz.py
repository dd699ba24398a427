"""Whatever bytes a config file or a `--set` holds, the outcome is a study or one message."""

from __future__ import annotations

import pytest

from bertft_core.config import load_study
from tests.helpers.fuzzing import fuzz, how_many
from tests.helpers.small_configs import STUDY

ALIASES = b"name: s\ndata: {source: bundled, name: reviews}\narms:\n  full: &a {learning_rate: 1e-5}\n  other: {<<: *a, epochs: 2}\n"
FILES = b"name: s\ndata: {source: files, train: a.csv, labels: ['1', no], subsample: {train: 9}}\narms: {full: {}}\nseeds: {n: 3}\n"
OVERRIDES = [b"arms.full.learning_rate=3e-5", b"arms.b={epochs: 2}", b"data.labels=[a, b]", b"arms.full.search.space.epochs.low=1"]


@how_many
def test_a_config_file_of_any_bytes(tmp_path, n_inputs):
    path = tmp_path / "study.yaml"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        load_study(path)

    fuzz(read, [STUDY.encode(), ALIASES, FILES], n_inputs)


@how_many
def test_an_override_of_any_text(tmp_path, n_inputs):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    fuzz(lambda data: load_study(path, [data.decode(errors="surrogateescape")]), OVERRIDES, n_inputs)


@pytest.mark.parametrize("text", [ALIASES, FILES])
def test_the_inputs_that_are_mutated_are_valid(tmp_path, text):
    (tmp_path / "study.yaml").write_bytes(text)
    assert load_study(tmp_path / "study.yaml").name == "s"
