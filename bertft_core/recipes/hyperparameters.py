"""What the size of the training set and the width of the encoder decide: learning rate, batch size, epochs, seeds."""

from typing import NamedTuple

from bertft_core.recipes.data_profile import EncoderProfile
from bertft_core.recipes.reasons import HOUSE_RULE, Reason, Source, because

BASE_HIDDEN_SIZE = 768
"""Of BERT-base, for which the usual rates were found."""
SMALL_ENCODER_RATE, SMALL_ENCODER_HIGH = 1e-4, 5e-4
"""Google's small BERTs were tuned up to 3e-4; the range goes a little further, so that the best rate is inside it."""
FEATURES_LOW, FEATURES_HIGH = 3e-4, 3e-2
"""A new head on frozen features is trained with higher rates than an encoder."""
FEATURES_RATE = 3e-3
"""In the middle of their range, on a log scale."""
N_TRIALS = 6


class SizeBand(NamedTuple):
    """Training sets of one order of magnitude; rates are for an encoder at least as wide as BERT-base."""

    name: str
    fewest: int
    """The smallest number of training examples in the band."""
    learning_rate: float
    low: float
    high: float
    """The usual range of the rate."""
    batch_size: int
    epochs: float
    evaluate_every_epochs: float
    n_seeds: int
    freezes: bool
    """An arm with the lower half of the encoder frozen is worth trying."""
    rate_source: Source
    epochs_source: Source


BANDS: tuple[SizeBand, ...] = (
    SizeBand("very small", 0, 1e-5, 1e-5, 3e-5, 16, 20, 2, 10, True, HOUSE_RULE, "Mosbach 2021"),
    SizeBand("small", 500, 1e-5, 1e-5, 3e-5, 16, 5, 1, 8, True, HOUSE_RULE, HOUSE_RULE),
    SizeBand("medium", 1_000, 3e-5, 2e-5, 5e-5, 16, 3, 1, 5, False, "Devlin 2019", "Devlin 2019"),
    SizeBand("large", 10_001, 5e-5, 2e-5, 5e-5, 32, 3, 0.5, 5, False, "Devlin 2019", "Devlin 2019"),
    SizeBand("very large", 100_001, 5e-5, 2e-5, 5e-5, 32, 2, 0.25, 5, False, "Devlin 2019", "Devlin 2019"),
)
"""In increasing order of size."""


def band_of(n_train: int) -> SizeBand:
    """The band of a training set of this many examples."""
    return [band for band in BANDS if n_train >= band.fewest][-1]


class Rates(NamedTuple):
    """A learning rate to train with, and the range to search it in."""

    learning_rate: float
    low: float
    high: float
    searched: bool
    """The rate is not known well enough to skip the search."""
    reason: Reason
    source: Source


def is_small(encoder: EncoderProfile) -> bool:
    """Narrower than BERT-base."""
    return encoder.hidden_size < BASE_HIDDEN_SIZE


def rates_of(band: SizeBand, encoder: EncoderProfile, *, may_search: bool = True) -> Rates:
    """The band's own rates; for a small encoder the range from them up to the rates of small encoders, searched if it may be."""
    usual = {"size": band.name, "low": band.low, "high": band.high}
    if not is_small(encoder):
        return Rates(band.learning_rate, band.low, band.high, False, because("usual_rate", **usual), band.rate_source)
    rule = "small_encoder_rate" if may_search else "small_encoder_fixed"
    reason = because(rule, **usual, hidden_size=encoder.hidden_size, highest=SMALL_ENCODER_HIGH)
    return Rates(SMALL_ENCODER_RATE, band.low, SMALL_ENCODER_HIGH, may_search, reason, "Google small BERTs")
