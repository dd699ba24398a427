"""The training of a tiny BERT gives the numbers that were written down."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.golden import record


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return json.loads(record.GOLDEN_PATH.read_text())


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return record.trajectories()


def test_losses_are_the_recorded_ones_on_every_machine(golden, now):
    expected, found = golden["without_dropout"], now["without_dropout"]
    assert len(expected["losses"]) == record.N_STEPS
    assert np.ptp(expected["losses"]) > 0.05
    np.testing.assert_allclose(found["losses"], expected["losses"], atol=1e-5, rtol=0)
    assert found["validation_log_loss"] == pytest.approx(expected["validation_log_loss"], abs=1e-4)


def test_the_dropout_stream_gives_the_recorded_losses(golden, now):
    if golden["machine"]["torch"] != record.machine()["torch"]:
        pytest.skip("another torch may draw other dropout masks")
    np.testing.assert_allclose(now["with_dropout"]["losses"], golden["with_dropout"]["losses"], atol=1e-5, rtol=0)
    assert not np.allclose(now["with_dropout"]["losses"], now["without_dropout"]["losses"], atol=1e-3)


@pytest.mark.parametrize("case", ["without_dropout", "with_dropout"])
def test_weights_are_the_recorded_ones_bit_by_bit_on_the_same_machine(golden, now, case):
    if golden["machine"] != record.machine():
        pytest.skip(f"recorded on {golden['machine']}")
    assert now[case]["weights_sha256"] == golden[case]["weights_sha256"]


def test_a_recording_has_a_reason(golden):
    assert len(golden["reason"]) >= 10
    before = record.GOLDEN_PATH.read_bytes()
    for words in ([], ["  "], ["because"]):
        with pytest.raises(SystemExit, match="REASON"):
            record.main(words)
    assert record.GOLDEN_PATH.read_bytes() == before
