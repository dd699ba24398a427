"""A study and what its runs gave, as one object: what evaluation, report, commands and the public API work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bertft_core.config.study_config import StudyConfig
from bertft_core.records import DatasetCard, Environment, RunRecord, RunSpec, StudySummary, SweepResult
from bertft_core.records.ranking import SCORED
from bertft_core.storage.prediction_files import PredictionFiles
from bertft_core.storage.study_dir import StudyDir


@dataclass(frozen=True)
class StudyResults:
    """A study whose runs have ended, and where their files are stored."""

    study: StudyConfig
    card: DatasetCard
    study_dir: StudyDir
    records: Mapping[str, RunRecord]
    """By run digest; the runs of searches and repeats are among them."""
    planned: Sequence[RunSpec] = ()
    """The report runs; one without a record is missing."""
    sweeps: Mapping[str, SweepResult] = field(default_factory=dict)
    """Arm → result of its search."""
    evaluated: StudySummary | None = None
    predictions: PredictionFiles = field(default_factory=PredictionFiles, compare=False, repr=False)
    """What was read of the runs' predictions, shared by all views of these results."""

    @property
    def summary(self) -> StudySummary:
        """What the evaluation found. Raises `ValueError` for results that have not been evaluated."""
        if self.evaluated is None:
            raise ValueError(f"the results of {self.study.name} have not been evaluated")
        return self.evaluated

    def with_summary(self, summary: StudySummary) -> StudyResults:
        """The same results, evaluated."""
        return replace(self, evaluated=summary)

    @property
    def chosen(self) -> dict[str, dict[str, Any]]:
        """Arm → the setting its search chose; arms without a search are not in it."""
        return {arm: sweep.chosen for arm, sweep in self.sweeps.items()}

    @cached_property
    def decided(self) -> StudyResults:
        """The results as those of a study whose arms have what their searches chose of strategies, encoder, head and data."""
        study, card = self.study.decided(self.chosen), self.card.decided(self.chosen)
        return self if study is self.study and card is self.card else replace(self, study=study, card=card)

    def of_arm(self, arm: str) -> StudyResults:
        """The results as one arm sees them: with its own encoder, head and data, and what its search chose of them."""
        study, card = self.decided.study.of_arm(arm), self.decided.card.of_arm(arm)
        return self if study is self.study and card is self.card else replace(self, study=study, card=card)

    def of_run(self, digest: str) -> StudyResults:
        """The results as the arm of a report run sees them."""
        return self.of_arm(next(spec.arm for spec in self.planned if spec.digest == digest))

    def run_dir_of(self, digest: str) -> Path:
        """Folder of one run."""
        return self.study_dir.run_dir(digest)

    def runs_of(self, arm: str) -> list[RunRecord]:
        """The report runs of an arm that have a record, in the order of their seeds."""
        planned = [spec for spec in self.planned if spec.arm == arm and spec.digest in self.records]
        return [_counted_as(self.records[spec.digest], spec) for spec in planned]

    def scored_runs(self, arm: str) -> list[RunRecord]:
        """The report runs of an arm that ended with a score, collapsed ones too, in the order of their seeds."""
        return [record for record in self.runs_of(arm) if record.status in SCORED]

    @property
    def report_runs(self) -> list[RunRecord]:
        """The report runs of all arms that have a record."""
        return [record for arm in self.study.arms for record in self.runs_of(arm)]

    @property
    def search_runs(self) -> list[RunRecord]:
        """The runs of all searches, each once."""
        trials = (trial for sweep in self.sweeps.values() for trial in sweep.trials)
        digests = dict.fromkeys(digest for trial in trials for digest in trial.run_digests)
        return [self.records[digest] for digest in digests if digest in self.records]

    @cached_property
    def environment(self) -> Environment | None:
        """Of the first report run that recorded one, else of any run."""
        planned = (self.records[spec.digest] for spec in self.planned if spec.digest in self.records)
        return next((record.environment for record in (*planned, *self.records.values()) if record.environment), None)


def _counted_as(record: RunRecord, spec: RunSpec) -> RunRecord:
    """The record with the seed index that the run has now: more splits or seeds of a split design may count it otherwise."""
    if record.spec.index == spec.index:
        return record
    return record.model_copy(update={"spec": record.spec.model_copy(update={"index": spec.index})})
