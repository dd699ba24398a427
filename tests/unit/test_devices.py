"""Which GPUs a study takes: those that the environment names."""

import pytest

from bertft_core.training.devices import visible_gpus


@pytest.mark.parametrize(
    ("chosen", "gpus"), [("0, 1,-1, -1", ["0", "1"]), ("", []), (" -1", []), ("GPU-5ae, 3", ["GPU-5ae", "3"])]
)
def test_the_gpus_that_the_environment_names(monkeypatch, chosen, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == gpus
