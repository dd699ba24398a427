"""One arm's search as an Optuna study in a journal file, asked in batches and told batch by batch.

What a trial samples depends only on its number and on the trials in the journal, never on timing: the sampler is made anew
for each trial with a seed of its own. So an interrupted search goes on with the trials an uninterrupted one would have had.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.base import Frozen, digest_of
from bertft_core.config.search import Choices, Range, SearchConfig
from bertft_core.records import DatasetCard, SweepResult, TrialRow
from bertft_core.seeds import derive_seed
from bertft_core.sweep import rules
from bertft_core.sweep.rules import TrialOutcome

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
NAMES: dict[TrialState, Any] = {state: name for name, state in STATES.items()}

optuna.logging.set_verbosity(optuna.logging.WARNING)


class PlannedTrial(Frozen):
    """A trial of the current batch."""

    number: int
    params: dict[str, int | float | str]


def search_digest(study: StudyConfig, card: DatasetCard, arm: str) -> str:
    """Identity of an arm's search; the number of trials is left out, so that a search can be made longer."""
    search = study.arms[arm].search
    assert search is not None
    return digest_of(
        {
            "data": card.fingerprint,
            "encoder": card.encoder.model_dump(),
            "head": study.head.model_dump(),
            "metric": study.metric,
            "seed": study.seed,
            "training": study.training_of(arm).model_dump(),
            "strategies": [strategy.model_dump() for strategy in study.arms[arm].strategies],
            "search": search.model_dump(mode="json", exclude={"n_trials"}),
            "threads": study.execution.threads_per_run,
        }
    )


class Search:
    """Ask a batch, train it, tell it, until the planned total is reached."""

    def __init__(self, study: StudyConfig, card: DatasetCard, arm: str, directory: Path) -> None:
        search = study.arms[arm].search
        if search is None:
            raise ValueError(f"arm '{arm}' has no search")
        self.config: SearchConfig = search
        self.arm, self.metric, self.direction = arm, study.metric, study.direction
        self.digest = search_digest(study, card, arm)
        self.journal_path = directory / "journal.log"
        self._sampler_seed = derive_seed(study.seed, "sampler")
        directory.mkdir(parents=True, exist_ok=True)
        _settle_journal(self.journal_path)
        self.optuna_study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(self.journal_path))),
            study_name=f"{study.name}/{arm}",
            direction=study.direction,
            load_if_exists=True,
        )
        self.optuna_study.set_metric_names([f"mean best {study.metric}"])

    def next_batch(self) -> list[PlannedTrial]:
        """The trials to train now, told ones of a half-told batch included; empty when the planned total is reached.

        Trials that a dead process left running are taken up again with the values they had.
        """
        trials = self._trials()
        n_told = next((n for n, trial in enumerate(trials) if not trial.state.is_finished()), len(trials))
        if n_told >= self.config.n_trials:
            return []
        first = n_told - n_told % self.config.trials_per_batch
        last = min(first + self.config.trials_per_batch, self.config.n_trials)
        return [PlannedTrial(number=number, params=self._params(number, trials)) for number in range(first, last)]

    def _params(self, number: int, trials: list[FrozenTrial]) -> dict[str, Any]:
        if number < len(trials) and trials[number].state.is_finished():
            return trials[number].params
        self.optuna_study.sampler = self._sampler(number)
        if number < len(trials):
            trial = optuna.trial.Trial(self.optuna_study, trials[number]._trial_id)
        else:
            trial = self.optuna_study.ask()
        return {name: _suggest(trial, name, space) for name, space in self.config.space.items()}

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        seed = derive_seed(self._sampler_seed, "trial", number) % 2**32
        if self.config.sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=self.config.trials_per_batch)

    def prune_below(self, batch: list[PlannedTrial]) -> dict[int, float]:
        """Validation number → score under which a run of this batch is given up; from earlier batches only."""
        if self.config.pruner == "none":
            return {}
        earlier = self._trials()[: batch[0].number]
        return rules.thresholds([trial.intermediate_values for trial in earlier])

    def survivors(self, batch: list[PlannedTrial], scores: Mapping[int, float]) -> set[int]:
        """Of trial number → score so far in this batch, those that get their next seed."""
        if self.config.pruner == "none":
            return set(scores)
        firsts = [trial.user_attrs.get("scores") for trial in self._trials()[: batch[0].number]]
        return rules.survivors(scores, [first[0] for first in firsts if first], self.direction)

    def tell(self, number: int, outcome: TrialOutcome) -> None:
        """Record a trial; one that was told before stays as it is."""
        trial_id = self._trials()[number]._trial_id
        if self._trials()[number].state.is_finished():
            return
        trial = optuna.trial.Trial(self.optuna_study, trial_id)
        for step, value in outcome.intermediate.items():
            trial.report(value, step)
        trial.set_user_attr("scores", list(outcome.scores))
        trial.set_user_attr("run_digests", list(outcome.run_digests))
        score = outcome.score if outcome.state == "complete" else None
        self.optuna_study.tell(number, score, state=STATES[outcome.state])

    def result(self, report_path: Path | None) -> SweepResult:
        """The search as a record. Raises `UserError` when no trial completed."""
        rows = [_row(trial) for trial in self._trials()[: self.config.n_trials]]
        best = rules.best_trial(rows, self.direction)
        if best is None or best.score is None:
            raise UserError(
                f"no trial of the search of arm '{self.arm}' completed",
                found=f"{len(rows)} trials, all failed or pruned",
                expected="at least one trial that trains to its end",
                todo="narrow the search space (a lower learning rate), or look at runs/*/log.txt in the study's folder",
            )
        return SweepResult(
            arm=self.arm,
            digest=self.digest,
            metric=self.metric,
            n_planned=self.config.n_trials,
            trials=tuple(rows),
            chosen=best.params,
            best_trial=best.number,
            best_score=best.score,
            storage_path=str(self.journal_path),
            report_path=None if report_path is None else str(report_path),
        )

    def _trials(self) -> list[FrozenTrial]:
        return self.optuna_study.get_trials(deepcopy=False)


def _row(trial: FrozenTrial) -> TrialRow:
    scores = tuple(trial.user_attrs.get("scores", ()))
    return TrialRow(
        number=trial.number,
        state=NAMES[trial.state],
        params=trial.params,
        score=sum(scores) / len(scores) if scores else None,
        scores=scores,
        run_digests=tuple(trial.user_attrs.get("run_digests", ())),
    )


def _suggest(trial: optuna.trial.Trial, name: str, space: Range | Choices) -> Any:
    """A value of the space; the one the trial already has, if it was asked before."""
    if isinstance(space, Choices):
        return trial.suggest_categorical(name, space.choices)
    if space.integer:
        return trial.suggest_int(name, int(space.low), int(space.high), log=space.log)
    return trial.suggest_float(name, space.low, space.high, log=space.log)


def _settle_journal(path: Path) -> None:
    """Drop what a killed process left: its lock, and a last line cut short. The study's own lock keeps others out."""
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
