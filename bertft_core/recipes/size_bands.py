"""What the number of training examples decides: rate, batch, epochs, seeds. One table, looked up by size."""

from __future__ import annotations

from bertft_core.config.base import Frozen


class Band(Frozen):
    """Training sets of one order of magnitude; rates are those for an encoder of BERT-base's size or larger."""

    name: str
    fewest: int
    """Examples from which on the band holds."""
    learning_rate: float
    low: float
    high: float
    """The range in which the rate is usually found."""
    batch_size: int
    epochs: float
    evaluate_every_epochs: float
    n_seeds: int
    freezes: bool
    """An arm with the lower half frozen is worth its time."""
    why: str
    """The size in words."""
    why_epochs: str
    source: str
    """Of the number of epochs."""
    rate_source: str
    """Of the rates."""


BANDS: tuple[Band, ...] = (
    Band(
        name="very small",
        fewest=0,
        learning_rate=1e-5,
        low=1e-5,
        high=3e-5,
        batch_size=16,
        epochs=20,
        evaluate_every_epochs=2,
        n_seeds=10,
        freezes=True,
        why="under 500 examples",
        why_epochs="so few examples need many passes, with an Adam that corrects its bias, as ours does",
        source="Mosbach 2021",
        rate_source="house rule",
    ),
    Band(
        name="small",
        fewest=500,
        learning_rate=1e-5,
        low=1e-5,
        high=3e-5,
        batch_size=16,
        epochs=5,
        evaluate_every_epochs=1,
        n_seeds=8,
        freezes=True,
        why="500 to 999 examples",
        why_epochs="4 to 5 passes, since a pass has few steps",
        source="house rule",
        rate_source="house rule",
    ),
    Band(
        name="medium",
        fewest=1_000,
        learning_rate=3e-5,
        low=2e-5,
        high=5e-5,
        batch_size=16,
        epochs=3,
        evaluate_every_epochs=1,
        n_seeds=5,
        freezes=False,
        why="1,000 to 10,000 examples",
        why_epochs="2 to 4 passes are the standard",
        source="Devlin 2019",
        rate_source="Devlin 2019",
    ),
    Band(
        name="large",
        fewest=10_001,
        learning_rate=5e-5,
        low=2e-5,
        high=5e-5,
        batch_size=32,
        epochs=3,
        evaluate_every_epochs=0.5,
        n_seeds=5,
        freezes=False,
        why="over 10,000 examples",
        why_epochs="2 to 3 passes are enough for so many",
        source="Devlin 2019",
        rate_source="Devlin 2019",
    ),
    Band(
        name="very large",
        fewest=100_001,
        learning_rate=5e-5,
        low=2e-5,
        high=5e-5,
        batch_size=32,
        epochs=2,
        evaluate_every_epochs=0.25,
        n_seeds=5,
        freezes=False,
        why="over 100,000 examples",
        why_epochs="2 passes are enough for so many",
        source="Devlin 2019",
        rate_source="Devlin 2019",
    ),
)
"""From the smallest on; the last band whose `fewest` is reached holds."""


def band_of(n_train: int) -> Band:
    """The band of a training set of this many examples."""
    return [band for band in BANDS if n_train >= band.fewest][-1]
