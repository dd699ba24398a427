"""Checks of how runs learned: learning rate, length of training, overfitting, early stopping, warm-up."""

import math
from typing import Any

import numpy as np

from bertft_core.config.search_space import Choices, Range
from bertft_core.config.strategy_settings import EarlyStopping
from bertft_core.evaluation.diagnosis.findings import DiagnosisFinding, DiagnosisHint, Outcome, Outcomes, Verdict, finding, hint
from bertft_core.evaluation.diagnosis.hint_overrides import accepted, of_training, rounded, train_longer
from bertft_core.evaluation.diagnosis.stored_study import (
    ENOUGH_STEPS,
    improvement,
    is_relative,
    losses_of,
    training_of,
    usual_rates,
)
from bertft_core.recipes.study_yaml import inline
from bertft_core.records import RunRecord
from bertft_core.storage.study_results import StudyResults

FAR = 2.0
"""A rate this many times outside the usual range is unusual."""
EDGE_SHARE = 0.1
"""Share of a range, in its own scale, that counts as its end."""
STILL_RISING, STILL_RISING_MUCH = 0.01, 0.05
"""Gain from the second last evaluation to the last, relative where `is_relative`."""
LOSS_FALLS = 0.15
"""Relative fall of the training loss from the fourth fifth of the steps to the last."""
VERY_FEW_STEPS = 30
FALLEN, FALLEN_MUCH = 0.02, 0.05
"""Loss of the score from the best evaluation to the last, relative where `is_relative`."""
LOSS_RISES = 0.1
STOPPED_EARLY = 1 / 3
"""Share of the planned steps before which a stop is early."""
MAX_WARMUP = 0.5


def learning_rate(results: StudyResults) -> Outcomes:
    """A rate far from what is usual for the encoder, or a chosen value at the end of its search range: better may lie beyond."""
    for arm in results.study.arms:
        settings, hints = _chosen(results, arm)
        fixed: dict[str, Any] = {"no_search": True} if results.study.seeds.splits is not None else {}
        rate, usual = training_of(results, arm).peak_learning_rate, usual_rates(results, arm)
        if usual is not None and not usual.low / FAR <= rate <= usual.high * FAR:
            hints.append(hint("unusual_rate", arm=arm, rate=rate, low=usual.low, high=usual.high, **fixed))
        found = finding("chosen", arm=arm, settings=settings) if settings else finding("not_searched", arm=arm, rate=rate)
        yield Outcome("look" if hints else "ok", found, tuple(hints))


def _chosen(results: StudyResults, arm: str) -> tuple[list[dict[str, Any]], list[DiagnosisHint]]:
    """The chosen settings with what they were chosen from, and how to search beyond an end."""
    sweep, search = results.sweeps.get(arm), results.study.arms[arm].search
    settings, hints = [], []
    for name, value in ({} if sweep is None else sweep.chosen).items():
        space = None if search is None else search.space.get(name)
        setting: dict[str, Any] = {"name": name, "value": value}
        settings.append(setting)
        if space is None or isinstance(value, str):
            continue
        setting |= {"low": space.low, "high": space.high} if isinstance(space, Range) else {"choices": list(space.choices)}
        if (end := end_of(space, value)) is not None:
            setting["end"] = end
            key = f"arms.{arm}.search.space.{name}"
            if isinstance(space, Range) and not space.integer:
                beyond = space.high * 3 if end == "high" else space.low / 3
                override = f"{key}.{end}={inline(rounded(beyond))}"
                if accepted(results.study, override):  # where the setting itself does not end there
                    hints.append(hint("search_beyond", override, arm=arm))
            else:
                hints.append(hint("add_values", arm=arm, end=end, key=key))
    return settings, hints


def end_of(space: Range | Choices, value: float) -> str | None:
    """Which end of its range or list a chosen number is at: 'low', 'high', or None."""
    if isinstance(space, Choices):
        numbers = sorted(choice for choice in space.choices if not isinstance(choice, str))
        if len(numbers) < 3 or len(numbers) < len(space.choices):
            return None
        return "high" if value == numbers[-1] else "low" if value == numbers[0] else None
    low, high, at = (math.log(x) if space.log else x for x in (space.low, space.high, value))
    position = (at - low) / (high - low)
    return "low" if position < EDGE_SHARE else "high" if position > 1 - EDGE_SHARE else None


def under_training(results: StudyResults) -> Outcomes:
    """Training that ended too soon: the score or the loss was still improving, or there were few steps."""
    for arm in results.study.arms:
        if runs := results.scored_runs(arm):
            verdict, last_steps = _still_learning(results, arm, runs)
            yield Outcome(
                verdict, last_steps, () if verdict == "ok" else (hint("train_longer", train_longer(results, arm), arm=arm),)
            )


def _still_learning(results: StudyResults, arm: str, runs: list[RunRecord]) -> tuple[Verdict, DiagnosisFinding]:
    metric = results.study.metric
    scores = [[e.metrics[metric] for e in run.evaluations if metric in e.metrics] for run in runs]
    pairs = [(values[-2], values[-1]) for values in scores if len(values) >= 2]
    falls = [fall for run in runs if (fall := loss_fall(losses_of(results, run))) is not None]
    rise = float(np.mean([improvement(results, before, after) for before, after in pairs])) if pairs else 0.0
    fall = float(np.mean(falls)) if falls else None
    gain = results.study.sign * float(np.mean([after - before for before, after in pairs])) if pairs else None
    n_steps, n_best_last = min(run.n_steps for run in runs), sum(run.best_step == run.n_steps for run in runs)
    numbers: dict[str, Any] = {
        "n_steps": n_steps,
        "n_best_last": n_best_last,
        "n_runs": len(runs),
        "gain": gain,
        "loss_fall": fall,
    }
    best_is_last = 2 * n_best_last >= len(runs)
    verdict: Verdict = "ok"
    if (best_is_last and (rise > STILL_RISING or (fall or 0.0) > LOSS_FALLS)) or n_steps < ENOUGH_STEPS:
        verdict = "look"
    if (best_is_last and rise > STILL_RISING_MUCH) or n_steps < VERY_FEW_STEPS:
        verdict = "problem"
    return verdict, finding("last_steps", arm=arm, metric=metric, **numbers)


def loss_fall(losses: list[float]) -> float | None:
    """Relative fall of the mean loss from the fourth fifth of the steps to the last; None for fewer than 10 steps."""
    fifth = len(losses) // 5
    if fifth < 2:
        return None
    before, last = float(np.mean(losses[-2 * fifth : -fifth])), float(np.mean(losses[-fifth:]))
    return (before - last) / before if before > 0 else 0.0


def over_fitting(results: StudyResults) -> Outcomes:
    """Validation scores that end below their best: the model goes on to memorise the training set.

    Where a run collapsed, the best of its scores is chance.
    """
    scored = {arm: [run for run in results.scored_runs(arm) if run.status != "collapsed"] for arm in results.study.arms}
    drops = {arm: [drop for run in runs if (drop := _drop(results, run)) is not None] for arm, runs in scored.items()}
    if any(scored.values()) and not any(drops.values()):
        yield Outcome("ok", finding("validated_once"))
    for arm, runs in scored.items():
        if not drops[arm]:
            continue
        mean, rise = float(np.mean(drops[arm])), _loss_rise(runs)
        verdict: Verdict = "problem" if mean > FALLEN_MUCH else "look" if mean > FALLEN or (rise or 0.0) > LOSS_RISES else "ok"
        best = [run.best_step / run.n_steps for run in runs if run.best_step and run.n_steps]
        hints = () if verdict == "ok" else (hint("stop_earlier", arm=arm, best=float(np.mean(best))),)
        numbers: dict[str, Any] = {"drop": mean, "relative": is_relative(results.study.metric), "loss_rise": rise}
        yield Outcome(verdict, finding("after_best", arm=arm, metric=results.study.metric, **numbers), hints)


def _drop(results: StudyResults, run: RunRecord) -> float | None:
    """How much worse the score of the last evaluation is than that of the best one."""
    values = [e.metrics[results.study.metric] for e in run.evaluations if results.study.metric in e.metrics]
    if len(values) < 2:
        return None
    best = max(values) if results.study.sign > 0 else min(values)
    return -improvement(results, best, values[-1])


def _loss_rise(runs: list[RunRecord]) -> float | None:
    """Mean relative rise of the validation loss from its lowest to the last evaluation."""
    rises = []
    for run in runs:
        losses = [value for e in run.evaluations if (value := e.metrics.get("log_loss", e.metrics.get("loss"))) is not None]
        if len(losses) >= 2 and min(losses) > 0:
            rises.append(losses[-1] / min(losses) - 1)
    return float(np.mean(rises)) if rises else None


def early_stopping(results: StudyResults) -> Outcomes:
    """Runs that early stopping ended when they had hardly begun."""
    for name, arm in results.study.arms.items():
        strategy = next((each for each in arm.strategies if isinstance(each, EarlyStopping)), None)
        shares = [run.n_steps / run.planned_steps for run in results.scored_runs(name) if run.planned_steps]
        if strategy is None or not shares:
            continue
        stopped = [share for share in shares if share < 1]
        n_early = sum(share < STOPPED_EARLY for share in stopped)
        verdict: Verdict = "problem" if 2 * n_early >= len(shares) else "look" if n_early else "ok"
        numbers: dict[str, Any] = {"n_stopped": len(stopped), "n_runs": len(shares), "n_early": n_early}
        numbers |= {"patience": strategy.patience, "mean_share": float(np.mean(stopped)) if stopped else None}
        hints = () if verdict == "ok" else (hint("more_patience", arm=name, patience=2 * strategy.patience),)
        yield Outcome(verdict, finding("stopped", arm=name, **numbers), hints)


def warm_up(results: StudyResults) -> Outcomes:
    """No warm-up, or so much that the peak rate is hardly used; a short one is not a fault in itself."""
    for name, arm in results.study.arms.items():
        runs = [run for run in results.runs_of(name) if run.planned_steps]
        if not runs or any(strategy.kind == "feature_extraction" for strategy in arm.strategies):
            continue
        ratio, planned = runs[0].spec.training.warmup_ratio, runs[0].planned_steps
        broken = any(run.status in ("diverged", "collapsed") for run in runs)
        verdict: Verdict = "problem" if broken and ratio == 0 else "look" if ratio == 0 or ratio > MAX_WARMUP else "ok"
        hints = () if verdict == "ok" else (hint("set_warmup", of_training(results, name, "warmup_ratio", 0.1), arm=name),)
        found = finding("warm_up", arm=name, n_warmup=math.ceil(ratio * planned), n_steps=planned, ratio=ratio)
        yield Outcome(verdict, found, hints)
