"""Which learning rates fit an encoder: the usual ones are BERT-base's and BERT-large's; a smaller one takes larger steps."""

from __future__ import annotations

from typing import NamedTuple

from bertft_core.recipes.data_profile import EncoderProfile
from bertft_core.recipes.size_bands import Band

BASE_HIDDEN_SIZE = 768
"""Of BERT-base, for which the usual rates were found."""
SMALL_ENCODER_HIGH = 5e-4
"""Google's small BERTs were tuned up to 3e-4; a little more leaves the best one inside the range."""
FEATURES_LOW, FEATURES_HIGH = 3e-4, 3e-2
"""A fresh head alone is trained with larger steps than an encoder."""
N_TRIALS = 6


class Rates(NamedTuple):
    """A rate to train with, and the range to search it in."""

    learning_rate: float
    low: float
    high: float
    searched: bool
    """The rate is not known well enough to go without a search."""
    why: str
    source: str


def is_small(encoder: EncoderProfile) -> bool:
    """Narrower than BERT-base."""
    return encoder.hidden_size < BASE_HIDDEN_SIZE


def rates_of(band: Band, encoder: EncoderProfile) -> Rates:
    """The band's own rates, or for a small encoder the range from them up to what small encoders take."""
    usual = f"{band.why}: {_short(band.low)} to {_short(band.high)} is usual"
    if not is_small(encoder):
        return Rates(band.learning_rate, band.low, band.high, False, usual, band.rate_source)
    why = (
        f"{usual} for BERT-base; this encoder is narrower (hidden size {encoder.hidden_size}) and takes larger steps, "
        f"so arms search from {_short(band.low)} to {_short(SMALL_ENCODER_HIGH)}; this one holds where none is searched"
    )
    return Rates(1e-4, band.low, SMALL_ENCODER_HIGH, True, why, "Google small BERTs")


def _short(rate: float) -> str:
    return f"{rate:.0e}".replace("e-0", "e-")
