"""The best validation score to expect of n runs or trials, and what they cost."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.records import ArmSummary, RunRecord, SweepResult
from bertft_core.records.insight_records import BestOfN, BudgetView
from bertft_core.records.not_computed import NotComputed
from bertft_core.statistics.expected_best import with_replacement, without_replacement
from bertft_core.storage.study_dir import read_record
from bertft_core.storage.study_results import StudyResults

FEWEST = 3
"""Values needed for a curve."""
Source = Literal["trials", "seeds"]


def budgets_of(results: StudyResults) -> tuple[BudgetView, ...]:
    """For every arm the view over its seeds, and over the trials of its search where it has a finished one."""
    views = [_of_seeds(results, arm) for arm in results.summary.arms]
    return (*views, *(_of_trials(results, sweep) for sweep in results.sweeps.values()))


def _of_seeds(results: StudyResults, arm: ArmSummary) -> BudgetView:
    if results.study.is_selected:
        return _refused(results, arm.arm, "seeds", 0, NotComputed(reason="seeds selected"))
    if results.study.seeds.splits is not None:
        return _refused(results, arm.arm, "seeds", 0, NotComputed(reason="splits share examples"))
    found = {record.digest: record.best_score for record in results.scored_runs(arm.arm) if record.best_score is not None}
    seconds = [_seconds(results.records[digest]) for digest in found]
    return _view(results, arm.arm, "seeds", list(found.values()), seconds)


def _of_trials(results: StudyResults, sweep: SweepResult) -> BudgetView:
    """Pruned trials count with the score they had reached, since that is what a search with pruning gets from them.

    Enqueued trials are left out: they are no draws from the space.
    """
    drawn = [trial for trial in sweep.trials if not trial.enqueued]
    search = results.study.arms[sweep.arm].search if sweep.arm in results.study.arms else None
    if search is None or search.sampler != "random":
        return _refused(results, sweep.arm, "trials", len(drawn), NotComputed(reason="dependent trials"))
    found = [(trial.score, trial.run_digests) for trial in drawn if trial.score is not None]
    seconds = [_trial_seconds(results, digests) for _, digests in found]
    return _view(results, sweep.arm, "trials", [score for score, _ in found], seconds)


def _view(
    results: StudyResults, arm: str, source: Source, values: Sequence[float], seconds: Sequence[float | None]
) -> BudgetView:
    if len(values) < FEWEST:
        refused = NotComputed(reason="too few scores", n=len(values), needed=FEWEST, detail=source)
        return _refused(results, arm, source, len(values), refused)
    sign = results.study.sign
    v, u = with_replacement([sign * value for value in values]), without_replacement([sign * value for value in values])
    known = [each for each in seconds if each is not None]
    hours = float(np.mean(known)) / 3600 if known and len(known) == len(values) else None
    points = tuple(
        BestOfN(
            n=i + 1,
            v=sign * float(v.mean[i]),
            v_sd=float(v.sd[i]),
            u=sign * float(u.mean[i]),
            u_sd=float(u.sd[i]),
            hours=None if hours is None else (i + 1) * hours,
        )
        for i in range(len(values))
    )
    crossed = source == "seeds" and isinstance(results.study.seeds.design, CrossedDesign)
    metric = results.study.metric
    return BudgetView(arm=arm, source=source, metric=metric, n_values=len(values), points=points, crossed=crossed)


def _refused(results: StudyResults, arm: str, source: Source, n: int, why: NotComputed) -> BudgetView:
    return BudgetView(arm=arm, source=source, metric=results.study.metric, n_values=n, refused=why)


def _seconds(record: RunRecord) -> float:
    return record.train_seconds + record.evaluate_seconds


def _trial_seconds(results: StudyResults, digests: Iterable[str]) -> float | None:
    """Of all runs of a trial; None when the record of one is missing."""
    found = [
        results.records.get(digest) or read_record(results.run_dir_of(digest) / "record.json", RunRecord) for digest in digests
    ]
    records = [record for record in found if record is not None]
    return sum(map(_seconds, records)) if records and len(records) == len(found) else None
