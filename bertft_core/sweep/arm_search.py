"""One arm's search: a batch of trials is asked for, trained and reported, until the planned total is reached.

What a trial samples depends only on its number and on the trials before it, never on timing: the sampler is made anew for each
trial with a seed of its own. So an interrupted search goes on with the trials an uninterrupted one would have had, and one whose
total is changed with those of a search that had this total from the start.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from optuna.trial import FrozenTrial

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.base import Frozen
from bertft_core.planning.run_specs import search_digest, search_of
from bertft_core.records import DatasetCard
from bertft_core.records.sweep_result import SweepResult, Value
from bertft_core.seeds import derive_seed
from bertft_core.storage.damage import Tell
from bertft_core.sweep import trial_rules
from bertft_core.sweep.samplers import study_to_ask
from bertft_core.sweep.trial_journal import TrialJournal, row_of, scores_of
from bertft_core.sweep.trial_rules import TrialOutcome


class PlannedTrial(Frozen):
    """A trial of the current batch."""

    number: int
    params: dict[str, Value]


class Search:
    """Ask for a batch, train it, report it, until the planned total is reached."""

    def __init__(
        self, study: StudyConfig, card: DatasetCard, arm: str, directory: Path, tell: Tell = lambda problem: None
    ) -> None:
        self.config = search_of(study, arm)
        self.arm, self.metric, self.direction = arm, study.metric, study.direction
        self.digest = search_digest(study, card, arm)
        self.journal_path = directory / "journal.log"
        self.journal = TrialJournal(self.journal_path, f"{study.name}/{arm}", study.direction, tell)
        config = self.config
        notes = {"study": study.name, "arm": arm, "search_digest": self.digest, "seeds_per_trial": config.n_seeds}
        self.journal.describe(self.score_name, notes | {"sampler": config.sampler, "pruner": config.pruner})
        self._sampler_seed = derive_seed(study.seed, "sampler")

    @property
    def score_name(self) -> str:
        """What a trial's score is, in words."""
        return f"mean best validation {self.metric}"

    def next_batch(self) -> list[PlannedTrial]:
        """The trials to train now, including reported ones of an unfinished batch; empty when the planned total is reached.

        Trials that a dead process left running are taken up again with the values they had.
        """
        trials, size = self.journal.trials(), self.config.trials_per_batch
        n_finished = next((n for n, trial in enumerate(trials) if not trial.state.is_finished()), len(trials))
        first = min(n_finished, self.config.n_trials - 1) // size * size
        last = min(first + size, self.config.n_trials)
        if _had_another_size(trials[first : first + size], last - first):
            self.journal.cut(first)
        elif n_finished >= self.config.n_trials:
            return []
        for number in range(len(self.journal.trials()), last):
            self._ask(number)
        return [PlannedTrial(number=trial.number, params=trial.params) for trial in self.journal.trials()[first:last]]

    def _ask(self, number: int) -> None:
        config = self.config
        if number < len(config.enqueue):
            self.journal.enqueue(config.enqueue[number], config.space)
        else:
            copy = study_to_ask(config, self._sampler_seed, self.journal.trials(), self.journal.in_memory)
            self.journal.ask(copy, config.space)

    def prune_below(self, batch: Sequence[PlannedTrial]) -> dict[int, float]:
        """Validation number → score under which a run of this batch is given up; from earlier batches only."""
        if self.config.pruner == "none":
            return {}
        earlier = self.journal.trials()[: batch[0].number]
        return trial_rules.thresholds([trial.intermediate_values for trial in earlier])

    def survivors(self, batch: Sequence[PlannedTrial], scores: Mapping[int, float]) -> set[int]:
        """Of trial number → mean so far of the batch's trials still in the race, those that get their next seed."""
        if self.config.pruner == "none":
            return set(scores)
        earlier = [scores_of(trial) for trial in self.journal.trials()[: batch[0].number]]
        return trial_rules.survivors(scores, [per_seed[0] for per_seed in earlier if per_seed], self.direction)

    def tell(self, number: int, outcome: TrialOutcome) -> None:
        """Record a trial; one that was recorded before stays as it is."""
        self.journal.tell(number, outcome)

    def result(self, report_path: Path | None) -> SweepResult:
        """The search as a record, once its planned total is reached. Raises `UserError` when no trial completed."""
        n_enqueued = len(self.config.enqueue)
        rows = [row_of(trial, n_enqueued) for trial in self.journal.trials()[: self.config.n_trials]]
        best = trial_rules.best_trial(rows, self.direction)
        if best is None or best.score is None:
            raise UserError(
                f"no trial of the search of arm '{self.arm}' completed",
                code="search.no-complete-trial",
                found=f"{len(rows)} trials, all failed or pruned",
                expected="at least one trial that trains to its end",
                hint="narrow the search space (a lower learning rate), or look at runs/*/log.txt in the study's folder",
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


def _had_another_size(batch: Sequence[FrozenTrial], size: int) -> bool:
    """The total was another one when these trials were raced against each other: their batch had another end than now.

    It is begun again; its runs have their records, so those that both batches ask for are not trained twice.
    """
    return len(batch) > size or (len(batch) < size and any(trial.state.is_finished() for trial in batch))
