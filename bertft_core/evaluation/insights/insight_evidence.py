"""What the insights of one study are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bertft_core.config.study_config import StudyConfig
from bertft_core.records import ArmSummary, DatasetCard, Nondeterminism, RunRecord, SweepResult
from bertft_core.records.ranking import SCORED
from bertft_core.seeds import derive_seed


@dataclass(frozen=True)
class Evidence:
    """A study's arms over their seeds, and where their runs lie."""

    study: StudyConfig
    card: DatasetCard
    arms: Sequence[ArmSummary]
    records: Mapping[str, RunRecord]
    """By run digest."""
    run_dir_of: Callable[[str], Path]
    sweeps: Sequence[SweepResult]
    floors: Sequence[Nondeterminism]
    split: str
    """The headline's."""

    @property
    def checkpoint(self) -> str:
        return self.study.headline.checkpoint

    @property
    def metric(self) -> str:
        return self.study.metric

    @property
    def key(self) -> str:
        """`checkpoint/split/metric` of the headline."""
        return f"{self.checkpoint}/{self.split}/{self.metric}"

    @property
    def sign(self) -> float:
        """1 where higher is better, else −1."""
        return 1.0 if self.study.direction == "maximize" else -1.0

    def scored(self, arm: ArmSummary) -> list[RunRecord]:
        """The records of an arm's runs that ended with a score, in the order of their seeds; collapsed ones are in."""
        found = (self.records.get(seed.run_digest) for seed in arm.seeds if seed.status in SCORED)
        return [record for record in found if record is not None]

    def seed_of(self, arm: str, what: str) -> int:
        """Of the random numbers that one analysis of one arm draws."""
        return derive_seed(self.study.seed, "bootstrap", what, arm)
