"""How much of the variance between runs comes from the split, and how much from the seeds on it.

y_js = µ + split_j + seeds_js, both random, with seeds of their own on every split: the estimates and intervals of
`variance_components.nested`. The split is the source that studies on one fixed split ignore, and usually the largest one
(Bouthillier et al. 2021): their spread over seeds is an estimate of √σ²(seeds), and that of a run on a new split is
√(σ²(split) + σ²(seeds)).

Splits of the same examples overlap, so σ²(split) is the variance between splits of *this* data set. It contains which examples
are tested as well as which are trained on. Other data sets of this size would differ by more.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bertft_core.statistics.mean_squares import VarianceEstimate
from bertft_core.statistics.shared_by_runs import Splits
from bertft_core.statistics.variance_components import nested


class SplitComponents(NamedTuple):
    """Variances of one run's score, in units of the metric squared."""

    split: VarianceEstimate
    """Between splits. `f_p` tests whether they differ more than their seeds explain."""
    seeds: VarianceEstimate
    """Between the seeds on one split: init, order and dropout together."""


def split_components(values: ArrayLike, splits: Splits, level: float = 0.95) -> SplitComponents | None:
    """Components of `values` [runs]; splits may have different numbers of runs.

    None for fewer than two splits, and where no split has two runs: one run a split cannot tell the split from its seeds.
    """
    values, of_run = np.asarray(values, dtype=float), np.asarray(splits.of_run)
    groups = [values[of_run == split] for split in np.unique(of_run)]
    if len(groups) < 2 or len(groups) == len(values):
        return None
    between, within = nested([group.tolist() for group in groups], level)
    return SplitComponents(between._replace(source="split"), within._replace(source="seeds"))
