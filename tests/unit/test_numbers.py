"""How differences and settings are written."""

import pytest

from bertft_core.report.formatting.numbers import difference, setting


@pytest.mark.parametrize(
    ("value", "metric", "of", "text"),
    [
        (0.0136, "accuracy", None, "1.4"),
        (0.004, "accuracy", None, "0.40"),
        (0.00003, "accuracy", None, "0.0030"),
        (0.0, "accuracy", None, "0.00"),
        (1.5, "mse", None, "1.500"),
        (0.0006, "mse", None, "0.001"),
        (0.00012, "mse", None, "0.00012"),
        (-0.0021, "mse", 0.00012, "−0.00210"),
        (1e-30, "mse", None, "0.000000000000"),
        (0.0, "mse", None, "0.000"),
    ],
)
def test_a_difference_does_not_round_to_zero(value, metric, of, text):
    assert difference(value, metric, of=of) == text


def test_settings_are_written_as_in_a_config():
    assert [setting(value) for value in (True, False, 0.00002, 8, "mean")] == ["true", "false", "2e-05", "8", "mean"]
