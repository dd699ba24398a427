"""When a search gives a trial up, and what a trial scored: pure rules over records, no Optuna.

A trial trains one search seed after the other. Its runs stop at a validation under the median of the earlier batches' trials at
the same validation (Golovin et al. 2017, the median rule). It gets its next seed only while its mean so far is no worse than the
median of the means of its batch's trials that got as far and of the first-seed scores of the earlier batches.
"""

import statistics
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from bertft_core.config.base import Frozen
from bertft_core.config.head_settings import Direction
from bertft_core.records import RunRecord, TrialRow
from bertft_core.records.run_spec import SeedTriple

MIN_TRIALS_FOR_MEDIAN = 2


class TrialRun(Frozen):
    """One seed of a trial: what Optuna's own pages show of it beside the score."""

    seed_index: int
    seeds: SeedTriple
    started_at: str
    ended_at: str
    """ISO 8601, UTC."""

    @property
    def seconds(self) -> float:
        return (datetime.fromisoformat(self.ended_at) - datetime.fromisoformat(self.started_at)).total_seconds()


class TrialOutcome(Frozen):
    """What one trial's runs gave, in the order of the search seeds."""

    state: str
    """complete, pruned or failed, as in `TrialRow`."""
    scores: tuple[float, ...]
    """Best validation metric of each seed trained so far."""
    intermediate: dict[int, float]
    """Evaluation number (from 0) → mean over the seeds that reached it."""
    run_digests: tuple[str, ...]
    runs: tuple[TrialRun, ...] = ()

    @property
    def score(self) -> float | None:
        """Mean over the seeds; absent when no seed was validated."""
        return statistics.fmean(self.scores) if self.scores else None

    @property
    def times(self) -> tuple[datetime, datetime] | None:
        """When its first run began and its last one ended, also where a clock was set back; None without runs."""
        if not self.runs:
            return None
        start = min(datetime.fromisoformat(run.started_at) for run in self.runs)
        return start, max(start, *(datetime.fromisoformat(run.ended_at) for run in self.runs))


def trial_outcome(records: Sequence[RunRecord], n_seeds: int) -> TrialOutcome:
    """The outcome of a trial whose runs ended with these records."""
    failed = any(record.status in ("failed", "diverged") for record in records)
    stopped = len(records) < n_seeds or any(record.status == "pruned" for record in records)
    values: dict[int, list[float]] = {}
    for record in records:
        for number, evaluation in enumerate(record.evaluations):
            values.setdefault(number, []).append(evaluation.metrics[record.spec.metric])
    return TrialOutcome(
        state="failed" if failed else "pruned" if stopped else "complete",
        scores=tuple(record.best_score for record in records if record.best_score is not None),
        intermediate={number: statistics.fmean(scores) for number, scores in values.items()},
        run_digests=tuple(record.digest for record in records),
        runs=tuple(
            TrialRun(
                seed_index=record.spec.index, seeds=record.spec.seeds, started_at=record.started_at, ended_at=record.ended_at
            )
            for record in records
        ),
    )


def score_so_far(records: Sequence[RunRecord]) -> float | None:
    """A trial's mean best score so far; None when a run of it failed, diverged or was pruned, so that it gets no other seed."""
    scores = [record.best_score for record in records if record.status in ("ok", "collapsed") and record.best_score is not None]
    return statistics.fmean(scores) if len(scores) == len(records) else None


def thresholds(earlier: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Evaluation number → the median of the earlier trials' values there; none where fewer than two trials got."""
    values: dict[int, list[float]] = {}
    for intermediate in earlier:
        for number, value in intermediate.items():
            values.setdefault(number, []).append(value)
    return {number: statistics.median(v) for number, v in sorted(values.items()) if len(v) >= MIN_TRIALS_FOR_MEDIAN}


def survivors(scores: Mapping[int, float], others: Collection[float], direction: Direction) -> set[int]:
    """Of trial number → score so far, those that deserve another seed, beside the `others`' scores."""
    known = [*scores.values(), *others]
    if len(known) < MIN_TRIALS_FOR_MEDIAN:
        return set(scores)
    median = statistics.median(known)
    sign = 1.0 if direction == "maximize" else -1.0
    return {number for number, score in scores.items() if sign * (score - median) >= 0}


def best_trial(rows: Sequence[TrialRow], direction: Direction) -> TrialRow | None:
    """The complete trial with the best score; the earliest of equals."""
    sign = 1.0 if direction == "maximize" else -1.0
    scored = [(row, row.score) for row in rows if row.state == "complete" and row.score is not None]
    return max(scored, key=lambda pair: (sign * pair[1], -pair[0].number))[0] if scored else None
