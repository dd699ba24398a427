"""Whatever bytes a config file or a `--set` holds, the outcome is a study or one message with a code and a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertft_core.config import load_study
from tests.helpers.fuzzing import N_QUICK, N_SLOW, fuzz, fuzz_in_child
from tests.helpers.small_configs import STUDY

MERGED = (
    b"name: s\ndata: {source: bundled, name: reviews}\narms:\n  full: &a {learning_rate: 1e-5}\n  other: {<<: *a, epochs: 2}\n"
)
FILES = (
    b"name: s\ndata: {source: files, train: a.csv, labels: ['1', no], subsample: {train: 9}}\narms: {full: {}}\nseeds: {n: 3}\n"
)
OVERRIDES = (
    b"arms.full.learning_rate=3e-5",
    b"arms.b={epochs: 2}",
    b"data.labels=[a, b]",
    b"arms.full.search.space.epochs.low=1",
)


@pytest.mark.parametrize("n", [N_QUICK])
def test_a_config_file_of_any_bytes(tmp_path, n):
    fuzz(load_study, tmp_path / "study.yaml", (STUDY.encode(), MERGED, FILES), n)


@pytest.mark.parametrize("n", [N_QUICK])
def test_an_override_of_any_text(tmp_path, n):
    config = tmp_path / "study.yaml"
    config.write_text(STUDY)

    def read(given: Path) -> None:
        load_study(config, [given.read_bytes().decode(errors="surrogateescape")])

    fuzz(read, tmp_path / "override", OVERRIDES, n)


@pytest.mark.slow
@pytest.mark.parametrize("test", [test_a_config_file_of_any_bytes, test_an_override_of_any_text])
def test_many_inputs_in_bounded_memory(tmp_path, test):
    fuzz_in_child(__name__, test.__name__, tmp_path, N_SLOW)


@pytest.mark.parametrize("text", [MERGED, FILES])
def test_the_samples_are_valid(tmp_path, text):
    (tmp_path / "study.yaml").write_bytes(text)
    assert load_study(tmp_path / "study.yaml").name == "s"
