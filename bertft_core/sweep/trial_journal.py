"""An Optuna study in a journal file, written so that a kill at any moment loses nothing that was sampled or recorded.

A trial enters the journal in one line, with all its values, and its values come from a copy of the earlier trials in memory:
there is no half-sampled trial, and a sampler's notes about a running trial never reach the file.
"""

import statistics
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import BaseTrial, FrozenTrial, TrialState

from bertft_core.config.head_settings import Direction
from bertft_core.config.search_space import Choices, Range, Settings, Space, is_active, sampled_order
from bertft_core.records import TrialRow
from bertft_core.storage.damage import Tell, set_aside
from bertft_core.sweep.journal_file import FROM_RECORDS, problem_of, repair_file, seal
from bertft_core.sweep.trial_rules import TrialOutcome, TrialRun
from bertft_core.sweep.trial_times import TimedFile, start_again

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
NAMES: dict[TrialState, Any] = {state: name for name, state in STATES.items()}

optuna.logging.set_verbosity(optuna.logging.ERROR)  # its warnings are of plots it cannot draw; the page says so itself


class TrialJournal:
    """The trials of one search, in the order they were asked. One process at a time; the study's lock sees to that."""

    def __init__(self, path: Path, name: str, direction: Direction, tell: Tell = lambda problem: None) -> None:
        """Open or create the file. A damaged one is reported and set aside: the search is rebuilt from the run records."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        repair_file(path)
        self.name, self.direction = name, direction
        self._score, self._notes = "", dict[str, Any]()
        problem = problem_of(path) or self._open()
        if problem is not None:
            tell(f"{Path(*path.parts[-3:])}: {problem}; {FROM_RECORDS} (set aside as {set_aside(path).name})")
            self._open()
        for trial in self.trials():
            if trial.state == TrialState.WAITING:  # it was repaired; it continues
                self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)
        seal(path)

    def _open(self) -> str | None:
        """Let Optuna read the file; what is wrong with entries that it stops at, or that are not of this search."""
        try:
            self._file = TimedFile(self._path)
            self._storage = JournalStorage(self._file)
            self._study = optuna.create_study(
                storage=self._storage, study_name=self.name, direction=self.direction, load_if_exists=True
            )
            same = self._study.direction.name.lower() == self.direction
            self.trials()
        except Exception as error:  # of whatever kind: Optuna checks no entry before it uses it
            return f"Optuna cannot read it ({type(error).__name__})"
        return None if same else "it is of a search in the other direction"

    def describe(self, score: str, notes: Mapping[str, Any]) -> None:
        """Say on Optuna's own pages what the score is, and what the search is of; nothing is written that is there already."""
        self._score, self._notes = score, dict(notes)
        if self._write_description(self._study):
            seal(self._path)

    def _write_description(self, study: optuna.Study) -> bool:
        known = study.user_attrs
        changed = {key: value for key, value in self._notes.items() if known.get(key) != value}
        for key, value in changed.items():
            study.set_user_attr(key, value)
        is_named = not self._score or study.metric_names == [self._score]
        if not is_named:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([self._score])
        return bool(changed) or not is_named

    def trials(self) -> list[FrozenTrial]:
        """Every trial, running ones too; a trial's number is its place."""
        return self._study.get_trials(deepcopy=False)

    def ask(self, copy: optuna.Study, space: Space) -> None:
        """Add a running trial with the values that a copy of the trials in memory samples."""
        trial = copy.ask()
        suggest(trial, space)
        self._add(trial.params, trial.distributions)

    def enqueue(self, settings: Settings, space: Space) -> None:
        """Add a running trial with these values."""
        trial = optuna.trial.FixedTrial(settings)
        suggest(trial, space)
        self._add(trial.params, trial.distributions)

    def _add(self, params: dict[str, Any], distributions: dict[str, BaseDistribution]) -> None:
        running = optuna.trial.create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
        self._study.add_trial(running)
        seal(self._path)

    def tell(self, number: int, outcome: TrialOutcome) -> None:
        """Record how a trial ended and when it ran; one that was recorded before stays as it is."""
        trial = self.trials()[number]
        if trial.state.is_finished():
            return
        with self._file.times(*outcome.times) if outcome.times else nullcontext():
            if outcome.times:
                start_again(self._storage, trial._trial_id)
            self._finish(trial, outcome)
        seal(self._path)

    def _finish(self, trial: FrozenTrial, outcome: TrialOutcome) -> None:
        for step, value in outcome.intermediate.items():
            self._storage.set_trial_intermediate_value(trial._trial_id, step, value)
        attributes: dict[str, Any] = {
            "scores": list(outcome.scores),
            "run_digests": list(outcome.run_digests),
            "runs": [run.model_dump(mode="json") for run in outcome.runs],
            "seconds": round(sum(run.seconds for run in outcome.runs), 3),
        }
        for key, value in attributes.items():
            self._storage.set_trial_user_attr(trial._trial_id, key, value)
        score = outcome.score if outcome.state == "complete" else None
        self._study.tell(trial.number, score, state=STATES[outcome.state])

    def cut(self, n: int) -> None:
        """Keep the first `n` trials, which have all ended, and forget the others."""
        new = self._path.with_name(".journal.part")
        for left in new.parent.glob(f"{new.name}*"):  # by a kill, with a lock that Optuna would wait for
            left.unlink()
        storage = JournalStorage(JournalFileBackend(str(new)))
        study = optuna.create_study(storage=storage, study_name=self.name, direction=self.direction)
        self._write_description(study)
        study.add_trials(self.trials()[:n])
        new.replace(self._path)
        seal(self._path)  # after a kill before this line the search is rebuilt from the records of its runs
        self._open()

    def in_memory(self, trials: Sequence[FrozenTrial]) -> optuna.Study:
        """A study of these trials that can be sampled from and drawn without touching the file."""
        study = optuna.create_study(study_name=self.name, direction=self.direction)
        study.add_trials(trials)
        return study


def suggest(trial: BaseTrial, space: Space) -> None:
    """Let a trial choose its settings."""
    for name in sampled_order(space):
        if is_active(name, trial.params):
            _suggest(trial, name, space[name])


def _suggest(trial: BaseTrial, name: str, values: Range | Choices) -> None:
    if isinstance(values, Choices):
        trial.suggest_categorical(name, values.choices)
    elif values.integer:
        trial.suggest_int(name, int(values.low), int(values.high), step=int(values.step or 1), log=values.log)
    else:
        trial.suggest_float(name, values.low, values.high, step=values.step, log=values.log)


def scores_of(trial: FrozenTrial) -> tuple[float, ...]:
    """Best validation metric of each seed that a finished trial trained, in the order of the seeds."""
    return tuple(trial.user_attrs.get("scores", ()))


def runs_of(trial: FrozenTrial) -> tuple[TrialRun, ...]:
    """What is known of each seed that a finished trial trained; nothing in a journal of an older version."""
    return tuple(map(TrialRun.model_validate, trial.user_attrs.get("runs", ())))


def row_of(trial: FrozenTrial, n_enqueued: int) -> TrialRow:
    """A finished trial as a record; the first `n_enqueued` were given with the search."""
    scores = scores_of(trial)
    return TrialRow(
        number=trial.number,
        state=NAMES[trial.state],
        params=trial.params,
        score=statistics.fmean(scores) if scores else None,
        scores=scores,
        run_digests=tuple(trial.user_attrs.get("run_digests", ())),
        enqueued=trial.number < n_enqueued,
    )


def let_wait(path: Path, name: str) -> int:
    """Mark the trials that a dead process has left running as waiting, until the search continues; how many there were."""
    repair_file(path)
    storage, trials = opened(path, name)
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    for trial in running:
        storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
    if running:
        seal(path)
    return len(running)


def states_of(path: Path, name: str) -> Counter[str]:
    """How many trials of a journal are in each state, such as `running`; nothing is written."""
    return Counter(trial.state.name.lower() for trial in opened(path, name)[1])


def params_of(path: Path, name: str) -> list[dict[str, Any]]:
    """The values of every trial of a journal, in their order; nothing is written."""
    return [trial.params for trial in opened(path, name)[1]]


def opened(path: Path, name: str) -> tuple[Any, list[FrozenTrial]]:
    """Optuna's storage of a journal and its trials; none where it is not there, damaged, or of a search that never began."""
    if not path.exists() or problem_of(path) is not None:
        return None, []
    try:
        storage = JournalStorage(JournalFileBackend(str(path)))
        return storage, storage.get_all_trials(storage.get_study_id_from_name(name), deepcopy=False)
    except Exception:  # of whatever kind: Optuna checks no entry before it uses it
        return None, []
