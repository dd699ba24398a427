"""The best validation score to expect of n runs or trials, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.evaluation.insights.amounts import duration, score
from bertft_core.evaluation.insights.insight_evidence import Evidence
from bertft_core.records import ArmSummary, RunRecord, SweepResult
from bertft_core.records.insight_records import BestOfN, BudgetView
from bertft_core.statistics.expected_best import with_replacement, without_replacement
from bertft_core.storage.study_dir import read_record

FEWEST = 3
"""Values from which a curve is drawn."""

SELECTED = "the seeds were selected: many started and the best went on, so they are no independent draws"


def budgets_of(evidence: Evidence) -> tuple[BudgetView, ...]:
    """For every arm the view over its seeds, and over its search's trials where it has a search that has ended."""
    views = [_of_seeds(evidence, arm) for arm in evidence.arms]
    return (*views, *(_of_trials(evidence, sweep) for sweep in evidence.sweeps))


def _of_seeds(evidence: Evidence, arm: ArmSummary) -> BudgetView:
    if evidence.study.is_selected:
        return _refused(evidence, arm.arm, "seeds", 0, SELECTED)
    records = [record for record in evidence.scored(arm) if record.best_score is not None]
    values = [record.best_score for record in records if record.best_score is not None]
    return _view(evidence, arm.arm, "seeds", values, [_seconds(record) for record in records])


def _of_trials(evidence: Evidence, sweep: SweepResult) -> BudgetView:
    """Pruned trials count with the score that they had reached: that is what a search with pruning gets of them."""
    search = evidence.study.arms[sweep.arm].search if sweep.arm in evidence.study.arms else None
    if search is None or search.sampler != "random":
        reason = f"the search of {sweep.arm} chose each trial by those before it (TPE), so its trials are no independent draws"
        return _refused(evidence, sweep.arm, "trials", len(sweep.trials), reason)
    trials = [trial for trial in sweep.trials if trial.score is not None]
    values = [trial.score for trial in trials if trial.score is not None]
    return _view(evidence, sweep.arm, "trials", values, [_trial_seconds(evidence, trial.run_digests) for trial in trials])


def _view(
    evidence: Evidence, arm: str, source: Literal["trials", "seeds"], values: Sequence[float], seconds: Sequence[float | None]
) -> BudgetView:
    if len(values) < FEWEST:
        reason = f"it takes {FEWEST} {source} with a validation score, and {arm} has {len(values)}"
        return _refused(evidence, arm, source, len(values), reason)
    v, u = with_replacement([evidence.sign * value for value in values]), without_replacement([evidence.sign * x for x in values])
    known = [each for each in seconds if each is not None]
    hours = float(np.mean(known)) / 3600 if known and len(known) == len(values) else None
    points = tuple(
        BestOfN(
            n=i + 1,
            v=evidence.sign * float(v.mean[i]),
            v_sd=float(v.sd[i]),
            u=evidence.sign * float(u.mean[i]),
            u_sd=float(u.sd[i]),
            hours=None if hours is None else (i + 1) * hours,
        )
        for i in range(len(values))
    )
    what = "run" if source == "seeds" else "trial"
    half, one = points[max(1, len(points) // 2) - 1], points[0]
    sentence = (
        f"one {what} of {arm} is expected to reach {score(one.v)} ({evidence.metric}, validation), the best of {half.n} "
        f"{score(half.v)} (with replacement) or {score(half.u)} (without)"
    )
    sentence += f", in {duration(half.hours)} of training one after the other" if half.hours is not None else ""
    if source == "seeds" and isinstance(evidence.study.seeds.design, CrossedDesign):
        sentence += "; this takes runs for independent, and those of a grid share seeds"
    return BudgetView(arm=arm, source=source, metric=evidence.metric, n_values=len(values), points=points, sentence=sentence)


def _refused(evidence: Evidence, arm: str, source: Literal["trials", "seeds"], n: int, reason: str) -> BudgetView:
    sentence = f"no expected best score over the {source} of {arm}: {reason}"
    return BudgetView(arm=arm, source=source, metric=evidence.metric, n_values=n, refused=reason, sentence=sentence)


def _seconds(record: RunRecord) -> float:
    return record.train_seconds + record.evaluate_seconds


def _trial_seconds(evidence: Evidence, digests: Iterable[str]) -> float | None:
    """Of all runs of a trial; None when the record of one is gone."""
    found = [
        evidence.records.get(digest) or read_record(evidence.run_dir_of(digest) / "record.json", RunRecord) for digest in digests
    ]
    records = [record for record in found if record is not None]
    return sum(map(_seconds, records)) if records and len(records) == len(found) else None
