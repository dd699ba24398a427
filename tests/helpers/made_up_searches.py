"""A search driven as the flow drives it, over a made-up objective: what tests of searches and their reports start from.

Run as a program it is a search that gets killed:
`python -m tests.helpers.made_up_searches DIRECTORY N_RUNS` ends itself with SIGKILL.
"""

from __future__ import annotations

import math
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.storages.journal import JournalFileBackend

from bertft_core.planning.run_specs import plan_trial
from bertft_core.records import Evaluation, RunRecord, RunSpec, SweepResult
from bertft_core.sweep.arm_search import PlannedTrial, Search
from bertft_core.sweep.trial_rules import TrialOutcome, score_so_far, trial_outcome
from tests.helpers.small_records import make_card, make_study

LEARNING_RATES = {"low": 1e-5, "high": 1e-2, "log": True}
SEARCH = {
    "space": {"learning_rate": LEARNING_RATES, "batch_size": {"choices": [8, 16, 32]}},
    "n_trials": 10,
    "n_seeds": 3,
    "trials_per_batch": 4,
}
N_VALIDATIONS = 3
Train = Callable[[RunSpec], RunRecord]


def make_search(
    directory: Path,
    *,
    study: dict[str, Any] | None = None,
    tell: Callable[[str], None] = lambda problem: None,
    **changes: Any,
) -> Search:
    """A search of the arm `full` in `directory`, with some of its settings, or whole keys of the study, changed."""
    return Search(_study(study, changes), make_card(directory), "full", directory, tell)


def _study(study: dict[str, Any] | None, changes: dict[str, Any]) -> Any:
    return make_study(arms={"full": {"search": SEARCH | changes}}, **(study or {}))


def train(spec: RunSpec, *, diverges_above: float = 5e-3) -> RunRecord:
    """A run that is best at a learning rate of 1e-4, gets better by validation, and has noise of its own per seed."""
    noise = random.Random(spec.seeds.init).uniform(-0.02, 0.02)
    peak = 0.9 - 0.1 * (math.log10(spec.training.learning_rate) + 4) ** 2 - 0.001 * spec.training.batch_size + noise
    sign = 1 if spec.head.metrics[spec.metric] == "maximize" else -1
    scores = [sign * (peak - 0.1 / (number + 1)) for number in range(N_VALIDATIONS)]
    if spec.training.learning_rate > diverges_above:
        return make_run(spec, [], "diverged")
    for number, score in enumerate(scores[:-1]):
        if number in spec.prune_below and sign * score < sign * spec.prune_below[number]:
            return make_run(spec, scores[: number + 1], "pruned")
    return make_run(spec, scores)


def make_run(spec: RunSpec, scores: list[float], status: str = "ok") -> RunRecord:
    """A run that was validated with these scores."""
    best = max if spec.head.metrics[spec.metric] == "maximize" else min
    return RunRecord(
        spec=spec,
        digest=spec.digest,
        status=status,
        started_at="2026-01-01T00:00:00Z",
        ended_at="2026-01-01T00:00:30Z",
        evaluations=tuple(Evaluation(step=n, epoch=n, metrics={spec.metric: score}) for n, score in enumerate(scores)),
        best_score=best(scores, default=None),
    )


def finish(search: Search, train: Train = train, *, order: Callable[[list[int]], list[int]] = sorted) -> Search:
    """Run the search to its planned total; `order` shuffles in which order the trials of a batch are reported."""
    while batch := search.next_batch():
        outcomes = train_batch(search, batch, train)
        for number in order(list(outcomes)):
            search.tell(number, outcomes[number])
    return search


def train_batch(search: Search, batch: list[PlannedTrial], train: Train = train) -> dict[int, TrialOutcome]:
    """Trial number → outcome; each seed is trained for all survivors before the next one, as in `flows.stages.search_stage`."""
    study, card = _study({"metric": search.metric}, search.config.model_dump()), make_card(search.journal_path.parent)
    below = search.prune_below(batch)
    runs = {trial.number: plan_trial(study, card, "full", trial.params, trial=trial.number, prune_below=below) for trial in batch}
    records: dict[int, list[RunRecord]] = {number: [] for number in runs}
    alive = set(runs)
    for round_number in range(search.config.n_seeds):
        for number in sorted(alive):
            records[number].append(train(runs[number][round_number]))
        scores = {number: score for number in alive if (score := score_so_far(records[number])) is not None}
        alive = search.survivors(batch, scores)
    return {number: trial_outcome(trained, search.config.n_seeds) for number, trained in records.items()}


def rows(search: Search) -> list[tuple]:
    """All that a search knows of its trials, times apart."""
    return [(t.number, t.state.name, t.params, t.user_attrs, t.intermediate_values, t.values) for t in search.journal.trials()]


def finished(directory: Path, **changes: Any) -> tuple[Search, SweepResult]:
    """A search at its planned total, and its result."""
    search = finish(make_search(directory, **changes))
    return search, search.result(None)


class Interrupted(BaseException):
    """Stands in for the death of the process."""


def die_after(patch: pytest.MonkeyPatch, n_writes: int) -> None:
    """Let the journal's next write but `n_writes` leave half of a line and a lock, as a killed process leaves them."""
    append, left = JournalFileBackend.append_logs, [n_writes]

    def append_or_die(backend: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        left[0] -= 1
        if left[0] < 0:
            path = Path(backend._file_path)
            path.write_bytes(path.read_bytes() + b'{"op_code":4,"work')
            path.with_name(f"{path.name}.lock").symlink_to(path)
            raise Interrupted
        append(backend, logs)

    patch.setattr(JournalFileBackend, "append_logs", append_or_die)


def _kill_oneself(directory: Path, n_runs: int) -> None:
    left = [n_runs]

    def train_or_die(spec: RunSpec) -> RunRecord:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return train(spec)

    finish(make_search(directory), train_or_die)


if __name__ == "__main__":
    _kill_oneself(Path(sys.argv[1]), int(sys.argv[2]))
