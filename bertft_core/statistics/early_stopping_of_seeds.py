"""Start many, stop early, continue some: simulate such schedules from the curves of finished runs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

MOST_STARTED = 50
CUTS = 9
"""Largest number of evenly spaced stopping points to try."""
ROUNDING = 1e-9


class Simulated(NamedTuple):
    """One schedule and the best validation score it finds."""

    start: int
    stop_at: float
    """Share of training before the cut; 1 means that no run is stopped."""
    keep: int
    expected: float
    sd: float
    """Over resamples."""

    @property
    def cost(self) -> float:
        """In whole runs."""
        return cost(self.start, self.stop_at, self.keep)


def cost(start: int, stop_at: float, keep: int) -> float:
    """t·f + p·(1 − f), in whole runs (Dodge et al. 2020)."""
    return start * stop_at + keep * (1 - stop_at)


def best_schedules(
    curves: Floats, shares: Floats, budgets: list[int], rng: np.random.Generator, n_resamples: int = 1000
) -> list[tuple[Simulated, Simulated]]:
    """For each budget (whole runs): the schedule with the best expected outcome of all that cost no more, and whole runs alone.

    `curves` as in `outcomes_by_keep`, `shares` [evaluations] of the training done at each, in (0, 1]. All schedules use the same
    draws, so that they do not differ by chance; the cheapest of equals wins. The expected score of the
    best schedule is slightly optimistic, because it was chosen on the same curves.
    """
    n_runs, n_evaluations = curves.shape
    draws = rng.integers(0, n_runs, size=(n_resamples, MOST_STARTED))
    whole = [whole_runs(curves, budget, draws) for budget in budgets]
    best = list(whole)
    cuts = np.unique(np.linspace(0, n_evaluations, CUTS + 2)[1:-1].round().astype(int))
    for cut in cuts[(cuts > 0) & (cuts < n_evaluations)].tolist():
        share = float(shares[cut - 1])
        found: dict[int, Floats] = {}
        for place, budget in enumerate(budgets):
            for keep in range(1, budget + 1):
                start = min(MOST_STARTED, int((budget - keep * (1 - share)) / share + ROUNDING))
                if start <= keep:
                    continue
                if start not in found:
                    found[start] = outcomes_by_keep(curves, start, cut, draws)
                scores = found[start][:, keep - 1]
                new = Simulated(start, share, keep, float(scores.mean()), float(scores.std(ddof=1)))
                best[place] = min(best[place], new, key=lambda one: (-round(one.expected, 12), one.cost))
    return list(zip(best, whole, strict=True))


def whole_runs(curves: Floats, n: int, draws: NDArray[np.integer]) -> Simulated:
    """`n` runs trained to the end."""
    scores = curves.max(axis=1)[draws[:, :n]].max(axis=1)
    return Simulated(n, 1.0, n, float(scores.mean()), float(scores.std(ddof=1)))


def outcomes_by_keep(curves: Floats, start: int, cut: int, draws: NDArray[np.integer]) -> Floats:
    """Best validation score of each resample of one schedule [resamples, keep = 1 … start].

    `curves` [runs, evaluations], higher is better; `draws` [resamples, ≥ start] runs
    drawn with replacement, of which the first `start` begin. After `cut` evaluations they are ranked by the best so far (Dodge
    et al. 2020), the earlier drawn first of equals, and the best `keep` go on to the end. What counts is the best evaluation of
    any run, stopped ones included; but a stopped run was never ahead of a kept one, so the kept ones decide.
    """
    drawn = draws[:, :start]
    so_far, in_the_end = curves[:, :cut].max(axis=1), curves.max(axis=1)
    ranking = np.argsort(-so_far[drawn], axis=1, kind="stable")
    kept = np.take_along_axis(in_the_end[drawn], ranking, axis=1)
    return np.maximum.accumulate(kept, axis=1)
