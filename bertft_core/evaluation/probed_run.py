"""A run that ended with scores as the probes see it, and what one probe says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from bertft_core.config.study_config import StudyConfig
from bertft_core.evaluation.run_scores import stored_predictions
from bertft_core.records import RunRecord
from bertft_core.records.probe_record import ProbeRecord

Name = tuple[str, str | None]
"""Measure, and the layer or split it was measured at."""


@dataclass(frozen=True)
class ScoredRun:
    """A run that ended with scores, and where its numbers are read from."""

    study: StudyConfig
    record: RunRecord
    run_dir: Path
    found: ProbeRecord | None
    """What was found in its model."""
    headline_split: str
    evaluated_splits: tuple[str, ...]
    scores: Mapping[str, float]
    """`checkpoint/split/metric` → value."""

    @property
    def out_of_domain(self) -> list[str]:
        """Its out-of-domain sets."""
        return [split for split in self.evaluated_splits if split not in ("validation", "test")]

    def predictions(self, split: str) -> pa.Table | None:
        """Of the headline's checkpoint."""
        return stored_predictions(self.record, self.run_dir, self.study.headline.checkpoint, split)


@dataclass
class Found:
    """The numbers of one probe for one run, and what is missing among them."""

    values: dict[Name, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    """Why, each in a clause."""
