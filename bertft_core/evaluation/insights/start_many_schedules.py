"""Would it have paid to start more runs, stop them early and go on with the best? Simulated from the validation curves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bertft_core.evaluation.insights.amounts import score
from bertft_core.evaluation.insights.expected_best_of_n import SELECTED
from bertft_core.evaluation.insights.insight_evidence import Evidence
from bertft_core.records import ArmSummary, Evaluation, RunRecord
from bertft_core.records.insight_records import Schedule, StartManyView
from bertft_core.statistics.early_stopping_of_seeds import Simulated, best_schedules

FEWEST_CURVES = 5
MOST_BUDGET = 8
N_RESAMPLES = 1000

Curves = tuple[NDArray[np.floating], NDArray[np.floating]]
"""Scores [runs, evaluations], higher is better, and the share of training done at each evaluation."""


def start_many_of(evidence: Evidence) -> tuple[StartManyView, ...]:
    """The schedules of every arm, or why there are none."""
    return tuple(_of_arm(evidence, arm) for arm in evidence.arms)


def _of_arm(evidence: Evidence, arm: ArmSummary) -> StartManyView:
    found = _curves(evidence, arm)
    if isinstance(found, str):
        sentence = f"no schedules for {arm.arm}: {found}"
        return StartManyView(arm=arm.arm, metric=evidence.metric, n_curves=0, n_evaluations=0, refused=found, sentence=sentence)
    curves, shares = found
    budgets = list(range(1, min(MOST_BUDGET, len(curves)) + 1))
    rng = np.random.default_rng(evidence.seed_of(arm.arm, "start many"))
    pairs = best_schedules(curves, shares, budgets, rng, N_RESAMPLES)
    best, uncut = (tuple(_schedule(pair[place], evidence.sign) for pair in pairs) for place in (0, 1))
    return StartManyView(
        arm=arm.arm,
        metric=evidence.metric,
        n_curves=len(curves),
        n_evaluations=curves.shape[1],
        best=best,
        uncut=uncut,
        sentence=_sentence(evidence, arm.arm, best, uncut, len(curves)),
    )


def _curves(evidence: Evidence, arm: ArmSummary) -> Curves | str:
    """The validation curves of the arm's whole runs, or why they cannot be used."""
    if evidence.study.is_selected:
        return SELECTED
    runs = [_after_the_start(record) for record in evidence.scored(arm)]
    runs = [run for run in runs if run]
    if len(runs) < FEWEST_CURVES:
        return f"it takes the curves of {FEWEST_CURVES} whole runs, and there are {len(runs)}"
    if len({tuple(evaluation.step for evaluation in run) for run in runs}) > 1:
        return "its runs were evaluated at different steps, as with early stopping"
    if len(runs[0]) < 2:
        return "its runs were evaluated only once, at their end, so there is nothing to stop them by"
    if any(evidence.metric not in evaluation.metrics for run in runs for evaluation in run):
        return f"{evidence.metric} was not always evaluated while training"
    steps = np.array([evaluation.step for evaluation in runs[0]], dtype=float)
    scores = np.array([[evaluation.metrics[evidence.metric] for evaluation in run] for run in runs])
    return evidence.sign * scores, steps / steps[-1]


def _after_the_start(record: RunRecord) -> list[Evaluation]:
    return [evaluation for evaluation in record.evaluations if evaluation.step > 0]


def _schedule(found: Simulated, sign: float) -> Schedule:
    return Schedule(
        start=found.start,
        stop_at=found.stop_at,
        keep=found.keep,
        cost=found.cost,
        expected=sign * found.expected,
        sd=found.sd,
    )


def _sentence(evidence: Evidence, arm: str, best: tuple[Schedule, ...], uncut: tuple[Schedule, ...], n_curves: int) -> str:
    where = f"({evidence.metric}, validation; resampled from {n_curves} finished runs)"
    gains = [evidence.sign * (one.expected - other.expected) for one, other in zip(best, uncut, strict=True)]
    place = int(np.argmax(gains))
    one, other = best[place], uncut[place]
    if one.stop_at == 1 or gains[place] <= 3 * one.sd / N_RESAMPLES**0.5:
        return f"no schedule of {arm} would have found noticeably more than whole runs {where}"
    return (
        f"for the cost of {other.start} whole {'run' if other.start == 1 else 'runs'} of {arm}, starting {one.start}, stopping "
        f"at {100 * one.stop_at:.0f} % of the training and going on with {one.keep} would have found {score(one.expected)} "
        f"instead of {score(other.expected)} {where}"
    )
