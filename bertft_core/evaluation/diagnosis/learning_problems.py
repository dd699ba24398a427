"""Checks of how runs learned: rate, length, over-fitting, early stopping, warm-up."""

from __future__ import annotations

import math

import numpy as np

from bertft_core.config.search_settings import Choices, Range
from bertft_core.config.strategy_settings import EarlyStopping
from bertft_core.evaluation.diagnosis.evidence import ENOUGH_STEPS, Diagnosis, Evidence, Verdict, longer, short, worst
from bertft_core.evaluation.diagnosis.usual_rates import usual_rates
from bertft_core.records import RunRecord, SweepResult

FAR = 2.0
"""A rate this many times beyond the usual range is unusual."""
EDGE_SHARE = 0.1
"""Share of a range, in its own scale, that counts as its edge."""
STILL_RISING, STILL_RISING_MUCH = 0.01, 0.05
"""Relative gain from the evaluation before the last one to the last."""
LOSS_FALLS = 0.15
"""Relative fall of the training loss from the fourth fifth of the steps to the last."""
VERY_FEW_STEPS = 30
FALLEN, FALLEN_MUCH = 0.02, 0.05
"""Relative loss of the score from the best evaluation to the last."""
LOSS_RISES = 0.1
STOPPED_EARLY = 1 / 3
"""Share of the planned steps before which a stop is early."""


def learning_rate(evidence: Evidence) -> Diagnosis:
    """A rate far from what is usual for the encoder, or a chosen value at the end of what was searched: better may lie beyond."""
    found, hint = [], []
    for arm in evidence.study.arms:
        sweep = evidence.sweeps.get(arm)
        words, change = _chosen(evidence, arm, sweep) if sweep else ([], [])
        rate = evidence.study.training_of(arm, dict(sweep.chosen) if sweep else {}).learning_rate
        unusual = _unusual(evidence, arm, rate)
        if unusual is not None:
            change.append(unusual)
        found.append(f"{arm}: " + ("; ".join(words) or f"learning_rate {short(rate)}, which was not searched"))
        hint += change
    return Diagnosis(check="learning_rate", verdict="look" if hint else "ok", found=tuple(found), hint=tuple(hint))


def _chosen(evidence: Evidence, arm: str, sweep: SweepResult) -> tuple[list[str], list[str]]:
    """What was chosen out of what, and how to look beyond an end."""
    search, words, hint = evidence.study.arms[arm].search, [], []
    for name, value in sweep.chosen.items():
        part = None if search is None else search.space.get(name)
        if part is None or isinstance(value, str):
            words.append(f"{name} {value}")
            continue
        words.append(f"{name} {short(value) if isinstance(value, float) else value} of {_told(part)}")
        end = _end(part, value)
        if end is not None:
            words[-1] += f", at the {end} end"
            hint.append(_beyond(arm, name, part, end))
    return words, hint


def _beyond(arm: str, name: str, part: Range | Choices, end: str) -> str:
    if isinstance(part, Choices) or part.integer:
        return f"add values beyond the {end} end to arms.{arm}.search.space.{name}"
    return f"--set arms.{arm}.search.space.{name}.{end}={short(part.high * 3 if end == 'high' else part.low / 3)}"


def _unusual(evidence: Evidence, arm: str, rate: float) -> str | None:
    """What to do about a rate that is far from those of `bertft recommend`; None for a usual one."""
    usual = usual_rates(evidence, arm)
    if usual is None or usual.low / FAR <= rate <= usual.high * FAR:
        return None
    lower = "lower" if rate < usual.low else "higher"
    searched = f"search from {short(usual.low)} to {short(usual.high)}"
    return f"{short(rate)} in {arm} is {lower} than usual for this encoder and size: {searched}"


def _end(part: Range | Choices, value: float) -> str | None:
    """Which end of its range or list a chosen number stands at."""
    if isinstance(part, Choices):
        numbers = sorted(choice for choice in part.choices if not isinstance(choice, str))
        if len(numbers) < 3 or len(numbers) < len(part.choices):
            return None
        return "high" if value == numbers[-1] else "low" if value == numbers[0] else None
    low, high, at = (math.log(x) if part.log else x for x in (part.low, part.high, value))
    place = (at - low) / (high - low)
    return "low" if place < EDGE_SHARE else "high" if place > 1 - EDGE_SHARE else None


def _told(part: Range | Choices) -> str:
    return f"{short(part.low)} to {short(part.high)}" if isinstance(part, Range) else ", ".join(map(str, part.choices))


def under_training(evidence: Evidence) -> Diagnosis:
    """Training that ended before it was done: the score or the loss still moved, or there were few steps."""
    verdicts: list[Verdict] = []
    found, hint = [], []
    for arm in evidence.study.arms:
        runs = evidence.scored(arm)
        if not runs:
            continue
        verdict, words = _still_learning(evidence, runs)
        verdicts.append(verdict)
        found.append(f"{arm}: {words}")
        if verdict != "ok":
            hint.append(longer(evidence, arm))
    return Diagnosis(check="under_training", verdict=worst(verdicts), found=tuple(found), hint=tuple(hint))


def _still_learning(evidence: Evidence, runs: list[RunRecord]) -> tuple[Verdict, str]:
    metric = evidence.study.metric
    scores = [[e.metrics[metric] for e in run.evaluations if metric in e.metrics] for run in runs]
    pairs = [(values[-2], values[-1]) for values in scores if len(values) >= 2]
    rises = [evidence.changed(before, after) for before, after in pairs]
    n_best_last = sum(run.best_step == run.n_steps for run in runs)
    falls = [fall for run in runs if (fall := loss_fall(evidence.losses(run))) is not None]
    n_steps = min(run.n_steps for run in runs)
    rise, fall = float(np.mean(rises)) if rises else 0.0, float(np.mean(falls)) if falls else 0.0
    words = [f"{n_steps} steps", f"the last evaluation is the best in {n_best_last} of {len(runs)} runs"]
    if rises:
        gain = evidence.sign * float(np.mean([after - before for before, after in pairs]))
        words.append(f"{metric} {'rose' if gain >= 0 else 'fell'} by {evidence.told(abs(gain))} on average to the last one")
    if falls:
        words.append(f"the training loss changed by {-fall:+.0%} in the last fifth")
    rising = bool(rises) and rise > STILL_RISING and 2 * n_best_last >= len(runs)
    verdict: Verdict = "problem" if (rising and rise > STILL_RISING_MUCH) or n_steps < VERY_FEW_STEPS else "ok"
    if verdict == "ok" and (rising or (fall > LOSS_FALLS and 2 * n_best_last >= len(runs)) or n_steps < ENOUGH_STEPS):
        verdict = "look"
    return verdict, "; ".join(words)


def loss_fall(losses: list[float]) -> float | None:
    """Relative fall of the mean loss from the fourth fifth of the steps to the last; None for fewer than 10 steps."""
    fifth = len(losses) // 5
    if fifth < 2:
        return None
    before, last = float(np.mean(losses[-2 * fifth : -fifth])), float(np.mean(losses[-fifth:]))
    return (before - last) / before if before > 0 else 0.0


def over_fitting(evidence: Evidence) -> Diagnosis:
    """Validation that is worse at the end than at its best: the model goes on learning the training set by heart."""
    verdicts: list[Verdict] = []
    found, hint = [], []
    for arm in evidence.study.arms:
        drops = [drop for run in evidence.scored(arm) if (drop := _drop(evidence, run)) is not None]
        if not drops:
            continue
        mean, rise = float(np.mean(drops)), _loss_rise(evidence, arm)
        verdict: Verdict = "problem" if mean > FALLEN_MUCH else "look" if mean > FALLEN or (rise or 0.0) > LOSS_RISES else "ok"
        verdicts.append(verdict)
        words = f"{arm}: {evidence.study.metric} on validation is {mean:.1%} worse at the end than at its best"
        found.append(words + (f"; its log-loss rose by {rise:.0%} after its lowest" if rise else ""))
        if verdict != "ok":
            best = float(np.mean([run.best_step / run.n_steps for run in evidence.scored(arm) if run.best_step and run.n_steps]))
            hint.append(
                f"{arm} is best after {best:.0%} of its steps: fewer epochs, or add {{kind: early_stopping, patience: 3}}"
            )
    if not found:
        return Diagnosis(check="over_fitting", verdict="ok", found=("runs were validated once only, so this cannot be seen",))
    return Diagnosis(check="over_fitting", verdict=worst(verdicts), found=tuple(found), hint=tuple(hint))


def _drop(evidence: Evidence, run: RunRecord) -> float | None:
    """Relative loss of the score from the best evaluation to the last."""
    values = [e.metrics[evidence.study.metric] for e in run.evaluations if evidence.study.metric in e.metrics]
    if len(values) < 2:
        return None
    best = max(values) if evidence.sign > 0 else min(values)
    return -evidence.changed(best, values[-1])


def _loss_rise(evidence: Evidence, arm: str) -> float | None:
    """Mean relative rise of the validation loss from its lowest to the last evaluation."""
    rises = []
    for run in evidence.scored(arm):
        losses = [value for e in run.evaluations if (value := e.metrics.get("log_loss", e.metrics.get("loss"))) is not None]
        if len(losses) >= 2 and min(losses) > 0:
            rises.append(losses[-1] / min(losses) - 1)
    return float(np.mean(rises)) if rises else None


def early_stopping(evidence: Evidence) -> Diagnosis | None:
    """Runs that early stopping ended while they had hardly begun."""
    verdicts: list[Verdict] = []
    found, hint = [], []
    for name, arm in evidence.study.arms.items():
        strategy = next((each for each in arm.strategies if isinstance(each, EarlyStopping)), None)
        shares = [run.n_steps / run.planned_steps for run in evidence.scored(name) if run.planned_steps]
        if strategy is None or not shares:
            continue
        stopped = [share for share in shares if share < 1]
        early = [share for share in stopped if share < STOPPED_EARLY]
        verdict: Verdict = "problem" if 2 * len(early) >= len(shares) else "look" if early else "ok"
        verdicts.append(verdict)
        after = (
            f", after {np.mean(stopped):.0%} of the steps on average, {len(early)} of them in the first third" if stopped else ""
        )
        found.append(f"{name}: {len(stopped)} of {len(shares)} runs were stopped with patience {strategy.patience}{after}")
        if verdict != "ok":
            hint.append(f"more patience in {name}: {{kind: early_stopping, patience: {2 * strategy.patience}}}")
    if not found:
        return None
    return Diagnosis(check="early_stopping", verdict=worst(verdicts), found=tuple(found), hint=tuple(hint))


def warm_up(evidence: Evidence) -> Diagnosis | None:
    """No warm-up, or so much of it that the peak is hardly used; a few steps of it are no fault by themselves."""
    verdicts: list[Verdict] = []
    found, hint = [], []
    for name in evidence.study.arms:
        runs = [run for run in evidence.records if run.spec.arm == name and run.planned_steps]
        if not runs or any(strategy.kind == "feature_extraction" for strategy in evidence.study.arms[name].strategies):
            continue
        ratio, planned = runs[0].spec.training.warmup_ratio, runs[0].planned_steps
        broken = sum(run.status in ("diverged", "collapsed") for run in runs)
        verdict: Verdict = "problem" if broken and ratio == 0 else "look" if ratio == 0 or ratio > 0.5 else "ok"
        verdicts.append(verdict)
        found.append(f"{name}: {math.ceil(ratio * planned)} of {planned} steps ({ratio:.0%})")
        if verdict != "ok":
            hint.append(f"--set arms.{name}.warmup_ratio=0.1")
    if not found:
        return None
    return Diagnosis(check="warm_up", verdict=worst(verdicts), found=tuple(found), hint=tuple(hint))
