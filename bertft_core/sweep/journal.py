"""An Optuna study in a journal file, written so that a kill at any moment loses nothing that was sampled or told.

A trial enters the journal in one line, with all its values, and its values come from a copy of the earlier trials in memory:
there is no half-sampled trial, and a sampler's notes about a running trial never reach the file.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from bertft_core.config.head import Direction
from bertft_core.config.search import Choices, Range
from bertft_core.records import TrialRow
from bertft_core.sweep.rules import TrialOutcome

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
NAMES: dict[TrialState, Any] = {state: name for name, state in STATES.items()}

optuna.logging.set_verbosity(optuna.logging.ERROR)  # its warnings are of plots it cannot draw; the page says so itself


class TrialJournal:
    """The trials of one search, in the order they were asked. One process at a time; the study's lock sees to that."""

    def __init__(self, path: Path, name: str, direction: Direction) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _settle(path)
        self.name, self.direction = name, direction
        self._storage = JournalStorage(JournalFileBackend(str(path)))
        self._study = optuna.create_study(storage=self._storage, study_name=name, direction=direction, load_if_exists=True)

    def trials(self) -> list[FrozenTrial]:
        """Every trial, running ones too; a trial's number is its place."""
        return self._study.get_trials(deepcopy=False)

    def ask(self, sampler: optuna.samplers.BaseSampler, space: Mapping[str, Range | Choices]) -> None:
        """Add a running trial with values that depend on the sampler and the trials so far only."""
        copy = self.in_memory(self.trials())
        copy.sampler = sampler
        trial = copy.ask({name: distribution(values) for name, values in space.items()})
        running = optuna.trial.create_trial(state=TrialState.RUNNING, params=trial.params, distributions=trial.distributions)
        self._study.add_trial(running)

    def tell(self, number: int, outcome: TrialOutcome) -> None:
        """Record how a trial ended; one that was told before stays as it is."""
        trial = self.trials()[number]
        if trial.state.is_finished():
            return
        for step, value in outcome.intermediate.items():
            self._storage.set_trial_intermediate_value(trial._trial_id, step, value)
        self._storage.set_trial_user_attr(trial._trial_id, "scores", list(outcome.scores))
        self._storage.set_trial_user_attr(trial._trial_id, "run_digests", list(outcome.run_digests))
        score = outcome.score if outcome.state == "complete" else None
        self._study.tell(number, score, state=STATES[outcome.state])

    def in_memory(self, trials: Sequence[FrozenTrial]) -> optuna.Study:
        """A study of these trials that can be sampled from and drawn without touching the file."""
        study = optuna.create_study(study_name=self.name, direction=self.direction)
        study.add_trials(trials)
        return study


def distribution(space: Range | Choices) -> BaseDistribution:
    """A setting's values in Optuna's terms."""
    if isinstance(space, Choices):
        return CategoricalDistribution(space.choices)
    if space.integer:
        return IntDistribution(int(space.low), int(space.high), log=space.log)
    return FloatDistribution(space.low, space.high, log=space.log)


def scores_of(trial: FrozenTrial) -> tuple[float, ...]:
    """Best validation metric of each seed a told trial trained, in the order of the seeds."""
    return tuple(trial.user_attrs.get("scores", ()))


def row_of(trial: FrozenTrial) -> TrialRow:
    """A told trial as a record."""
    scores = scores_of(trial)
    return TrialRow(
        number=trial.number,
        state=NAMES[trial.state],
        params=trial.params,
        score=statistics.fmean(scores) if scores else None,
        scores=scores,
        run_digests=tuple(trial.user_attrs.get("run_digests", ())),
    )


def _settle(path: Path) -> None:
    """Drop what a killed process left: its lock, for which Optuna would wait 30 s, and a last line cut short."""
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)
