"""By how much an arm differs from the baseline, and how sure that is, in one honest English sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bertft_core.config.head_settings import Direction
from bertft_core.records import ArmSummary, Difference, GainOverMajority
from bertft_core.records.summary import cells_of, scores_by_index
from bertft_core.statistics.complete_grid import GridCell
from bertft_core.statistics.crossed_mean import FEWEST_LEVELS
from bertft_core.statistics.mean_intervals import LEVEL, interval_of_mean

IN_POINTS = frozenset({"accuracy", "accuracy_and_f1", "ece", "precision", "recall", "hamming_loss", "average_precision_macro"})
"""Shares, as is everything that is an F1 or an exact match: their differences are told in points, hundredths."""

FEWEST_SEEDS = 3
"""Of fewer seeds nothing is compared: a spread of two values is hardly one."""

SAME = 1e-12
"""Differences closer than this are equal but for rounding."""


def difference(arm: ArmSummary, baseline: ArmSummary, key: str, direction: Direction, level: float = LEVEL) -> Difference | None:
    """The paired difference of `key` (checkpoint/split/metric) over the seed indices both arms have a score for.

    Collapsed runs are in. None when no seed index has both scores. From fewer than three seeds there is no interval, and the
    sentence says that no comparison is made. The gaps of a crossed design share seeds as its runs do, and so does their interval.
    """
    ours, theirs = scores_by_index(arm, key), scores_by_index(baseline, key)
    both = sorted(ours.keys() & theirs.keys())
    gaps, cells = [ours[index] - theirs[index] for index in both], _cells(arm, both)
    if not gaps:
        return None
    low, high = _interval(gaps, cells, level)
    _, split, metric = key.split("/", 2)
    told = Told(arm.arm, baseline.arm, split, metric, direction)
    sentence = "; ".join([told.sentence(gaps, level, cells), *left_out(arm), *left_out(baseline)])
    return Difference(
        arm=arm.arm, baseline=baseline.arm, n=len(gaps), mean=float(np.mean(gaps)), t_low=low, t_high=high, sentence=sentence
    )


def gain_over_majority(
    arm: ArmSummary, key: str, constant_score: float, constant: str, direction: Direction, level: float = LEVEL
) -> GainOverMajority | None:
    """`key` (checkpoint/split/metric) of an arm minus the score of the constant predictor; None when no seed has a score.

    `constant` says what that one answers, such as 'the most frequent label'. Collapsed runs are in; fewer than three seeds are
    not compared, as in `difference`.
    """
    scores = scores_by_index(arm, key)
    gaps, cells = [scores[index] - constant_score for index in sorted(scores)], _cells(arm, sorted(scores))
    if not gaps:
        return None
    low, high = _interval(gaps, cells, level)
    _, split, metric = key.split("/", 2)
    told = Told(arm.arm, f"always answering {constant} ({constant_score:.3f})", split, metric, direction, "it has")
    sentence = "; ".join([told.sentence(gaps, level, cells), *left_out(arm)])
    return GainOverMajority(
        arm=arm.arm,
        constant_score=constant_score,
        n=len(gaps),
        mean=float(np.mean(gaps)),
        t_low=low,
        t_high=high,
        sentence=sentence,
    )


def _interval(gaps: list[float], cells: list[GridCell] | None, level: float) -> tuple[float, float] | tuple[None, None]:
    return (interval_of_mean(gaps, cells, level) or (None, None)) if len(gaps) >= FEWEST_SEEDS else (None, None)


def _cells(arm: ArmSummary, indices: Sequence[int]) -> list[GridCell] | None:
    by_index = {seed.index: seed for seed in arm.seeds}
    return cells_of([by_index[index] for index in indices])


def told_in_points(metric: str) -> bool:
    """Differences of this metric are told in hundredths."""
    return metric in IN_POINTS or "f1" in metric.split("/")[0] or metric.endswith("exact")


def left_out(arm: ArmSummary) -> list[str]:
    """Runs the sentence is silent about, by status."""
    counts = {status: n for status, n in arm.counts.items() if status not in ("ok", "collapsed") and n}
    parts = [f"not counted of {arm.n_planned} {arm.arm} runs: {_listed(counts)}"] if counts else []
    if arm.counts.get("collapsed"):
        parts.append(f"counted although collapsed: {arm.counts['collapsed']} of {arm.n_planned} {arm.arm} runs")
    return parts


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))


class Told:
    """The words for one comparison."""

    def __init__(
        self, arm: str, baseline: str, split: str, metric: str, direction: Direction, with_score: str = "both have"
    ) -> None:
        self.arm, self.baseline, self.with_score = arm, baseline, with_score
        self.in_points = told_in_points(metric)
        self.what = f"{metric}, {split}" + ("; lower is better" if direction == "minimize" else "")

    def sentence(self, gaps: list[float], level: float = LEVEL, cells: list[GridCell] | None = None) -> str:
        """What these differences over seeds say; `level` is that of one look where the number of seeds was decided by looking.

        `cells` are the places of runs of a crossed design, which share seeds and are not called seeds.
        """
        mean, n = float(np.mean(gaps)), len(gaps)
        if n < FEWEST_SEEDS:
            had = f"the {'one seed' if n == 1 else f'{n} seeds'} {self.with_score}"
            return f"{self.arm} and {self.baseline} are not compared ({self.what}): {had} cannot say how sure it would be"
        if np.ptp(gaps) < SAME:
            runs = f"{n} seeds" if cells is None else f"{n} crossed runs"
            return f"{self.average(mean, '')} in each of {runs}; without any spread no interval can be given"
        over, ends = _over(gaps, cells), interval_of_mean(gaps, cells, level)
        if ends is None:
            grid = f"a complete grid of {FEWEST_LEVELS} init × {FEWEST_LEVELS} order seeds or more"
            return f"{self.average(mean, ' on average')} over {over}; no interval can be given: it takes {grid}"
        (low, high), percent = ends, f"{100 * level:.4g} %"
        if low <= 0.0 <= high:
            interval = f"{self.number(low, mean, sign=True)} to {self.number(high, mean, sign=True)}"
            doubt = f"but the {percent} interval {interval} holds zero: these seeds show no sure difference"
            return f"{self.average(mean, ' on average')} over {over}, {doubt}"
        sizes = sorted((abs(low), abs(high)))
        interval = f"{percent} interval {self.number(sizes[0], mean)} to {self.number(sizes[1], mean)}"
        return f"{self.average(mean, '')} over {over}; {interval}; {_agreement(gaps, mean, crossed=cells is not None)}"

    def average(self, mean: float, how: str) -> str:
        """`full is 1.2 points (accuracy, test) above features`, and how that is meant."""
        if abs(mean) < SAME:
            return f"{self.arm} and {self.baseline} score the same ({self.what}){how}"
        size = self.number(abs(mean), mean) + (" points" if self.in_points else "")
        return f"{self.arm} is {size} ({self.what}) {'above' if mean > 0 else 'below'} {self.baseline}{how}"

    def number(self, value: float, mean: float, *, sign: bool = False) -> str:
        """As precise as the mean needs: one decimal of a point, two under half a point."""
        scaled = 100 * value if self.in_points else value
        decimals = (1 if abs(mean) >= 0.005 else 2) if self.in_points else 3
        return f"{scaled:{'+' if sign else ''}.{decimals}f}".replace("-", "−")


def _over(gaps: Sequence[float], cells: Sequence[GridCell] | None) -> str:
    """`4 seeds` or `9 runs of a crossed design (3 init × 3 order seeds)`."""
    if cells is None:
        return f"{len(gaps)} seeds"
    inits, orders = ({cell[axis] for cell in cells} for axis in (0, 1))
    return f"{len(gaps)} runs of a crossed design ({len(inits)} init × {len(orders)} order seeds)"


def _agreement(gaps: list[float], mean: float, *, crossed: bool) -> str:
    agreeing, n = sum(gap * mean > 0 for gap in gaps), len(gaps)
    if crossed:
        return f"{f'all {n}' if agreeing == n else f'{agreeing} of {n}'} runs agree, which share seeds"
    return "every seed agrees" if agreeing == n else f"{agreeing} of {n} seeds agree"
