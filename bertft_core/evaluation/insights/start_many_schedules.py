"""Whether starting more runs and continuing only the best would have paid off, simulated from validation curves."""

import numpy as np
from numpy.typing import NDArray

from bertft_core.records import ArmSummary
from bertft_core.records.insight_records import Schedule, StartManyView
from bertft_core.records.not_computed import NotComputed
from bertft_core.seeds import derive_seed
from bertft_core.statistics.early_stopping_of_seeds import Simulated, best_schedules
from bertft_core.storage.study_results import StudyResults

FEWEST_CURVES = 5
MOST_BUDGET = 8
N_RESAMPLES = 1000

Curves = tuple[NDArray[np.floating], NDArray[np.floating]]
"""Scores [runs, evaluations], higher is better, and the share of training done at each evaluation."""


def start_many_of(results: StudyResults) -> tuple[StartManyView, ...]:
    """The schedules of every arm, or why there are none."""
    return tuple(_of_arm(results, arm) for arm in results.summary.arms)


def _of_arm(results: StudyResults, arm: ArmSummary) -> StartManyView:
    found, metric, sign = _curves(results, arm), results.study.metric, results.study.sign
    if isinstance(found, NotComputed):
        return StartManyView(arm=arm.arm, metric=metric, n_curves=0, n_evaluations=0, refused=found)
    curves, shares = found
    budgets = list(range(1, min(MOST_BUDGET, len(curves)) + 1))
    rng = np.random.default_rng(derive_seed(results.study.seed, "bootstrap", "start many", arm.arm))
    pairs = best_schedules(curves, shares, budgets, rng, N_RESAMPLES)
    best, uncut = (tuple(_schedule(pair[place], sign) for pair in pairs) for place in (0, 1))
    gains = [sign * (one.expected - other.expected) for one, other in zip(best, uncut, strict=True)]
    place = int(np.argmax(gains))
    pays = best[place].stop_at < 1 and gains[place] > 3 * best[place].sd / N_RESAMPLES**0.5
    return StartManyView(
        arm=arm.arm,
        metric=metric,
        n_curves=len(curves),
        n_evaluations=curves.shape[1],
        best=best,
        uncut=uncut,
        worthwhile=place if pays else None,
    )


def _curves(results: StudyResults, arm: ArmSummary) -> Curves | NotComputed:
    """The validation curves of the arm's whole runs, or why they cannot be used."""
    if results.study.is_selected:
        return NotComputed(reason="seeds selected")
    if results.study.seeds.splits is not None:
        return NotComputed(reason="splits share examples")
    metric = results.study.metric
    runs = [[evaluation for evaluation in record.evaluations if evaluation.step > 0] for record in results.scored_runs(arm.arm)]
    runs = [run for run in runs if run]
    if len(runs) < FEWEST_CURVES:
        return NotComputed(reason="too few curves", n=len(runs), needed=FEWEST_CURVES)
    if len({tuple(evaluation.step for evaluation in run) for run in runs}) > 1:
        return NotComputed(reason="different steps")
    if len(runs[0]) < 2:
        return NotComputed(reason="one evaluation")
    if any(metric not in evaluation.metrics for run in runs for evaluation in run):
        return NotComputed(reason="metric not evaluated", detail=metric)
    steps = np.array([evaluation.step for evaluation in runs[0]], dtype=float)
    scores = np.array([[evaluation.metrics[metric] for evaluation in run] for run in runs])
    return results.study.sign * scores, steps / steps[-1]


def _schedule(found: Simulated, sign: float) -> Schedule:
    return Schedule(**found._asdict() | {"expected": sign * found.expected, "cost": found.cost})
