"""The arms of a comparison: the scores of their seeds, and how far an arm varies between studies."""

from collections.abc import Iterable

from pydantic import Field

from bertft_core.config.base import Frozen, left_out_if
from bertft_core.statistics.shared_by_runs import Splits


class ComparedArmRecord(Frozen):
    """An arm of a study with the scores of the seeds that are compared."""

    name: str
    """The arm; `study · arm` where several studies are compared."""
    study: str
    arm: str
    n_seeds: int
    """Compared seeds, collapsed runs included."""
    counts: dict[str, int]
    """Status → planned runs, and 'missing'."""
    n_without_scores: int = 0
    """Runs that ended well and have no stored score."""
    seeds: tuple[int, ...]
    """Indices of the compared seeds."""
    collapsed: tuple[int, ...] = ()
    """Those of them that collapsed."""
    scores: dict[str, dict[int, float]]
    """`checkpoint/split/metric` → seed index → score."""
    data_fingerprint: str
    cells: dict[int, tuple[int, int]] = {}
    """Seed index → (init, order) cell of a crossed design, whose runs share seeds; empty in any other design."""
    splits: dict[int, int] = Field({}, exclude_if=lambda splits: not splits)
    """Seed index → split of a split design, whose runs share examples; empty in any other design."""
    test_to_train: float | None = Field(None, exclude_if=left_out_if(None))
    """Examples that such a split tests on, for each one that it learns from."""

    def shared(self, seeds: Iterable[int]) -> list[tuple[int, int]] | Splits | None:
        """What the runs of these seeds share."""
        if self.splits and self.test_to_train is not None:
            return Splits(tuple(self.splits[seed] for seed in seeds), self.test_to_train)
        return [self.cells[seed] for seed in seeds] if self.cells else None

    def values(self, key: str) -> list[float]:
        """The scores of one metric by rising seed index; empty where there are none."""
        return [score for _, score in sorted(self.scores.get(key, {}).items())]


class StudyComponents(Frozen):
    """One arm in several studies that differ only in their study seed and in what is drawn from it; on the headline metric.

    Source: Bouthillier et al. 2021, who let every source of variance vary between runs.
    """

    arm: str
    studies: tuple[str, ...]
    between_sd: float | None
    """Standard deviation between studies: split, subsample and search."""
    within_sd: float | None
    """Standard deviation over the seeds of one study."""
    n_seeds: tuple[int, ...]
    f_p: float | None = None
    """F test of no variance between studies; None in crossed designs, whose runs are not independent."""
    data_differ: bool | None = None
    """The studies' splits hold different examples; None in comparisons of older versions."""
    settings_differ: bool | None = None
    """The searches of the studies chose different settings."""
