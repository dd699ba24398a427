"""What runs share, so that they are not independent. Loads no numpy: records, which every command reads, say it."""

from typing import NamedTuple

GridCell = tuple[int, int]
"""Init and order seed of a run of a crossed design."""


class Splits(NamedTuple):
    """Which split each run was trained and tested on."""

    of_run: tuple[int, ...]
    """Number of the split of each run; of k folds: repeat · k + fold."""
    test_to_train: float
    """n_test/n_train, as `mean_test_to_train` computes it."""
    folds: int | None = None
    """Of cross-validation; None for random splits and the bootstrap."""
    repeats: int | None = None

    @property
    def is_complete(self) -> bool:
        """Every fold of every repeat has a run; False without folds."""
        planned = range((self.folds or 0) * (self.repeats or 0))
        return len(planned) > 0 and set(self.of_run) == set(planned)
