"""What the events of studies carry: nothing that means something on one machine only, unless the user has named a home."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bertft_core.config.base import Frozen, left_out_if
from bertft_core.config.head_settings import Direction

DATASET_UPDATED = "bertft.dataset.updated"
STUDY_COMPLETED = "bertft.study.completed"
STUDY_REGRESSED = "bertft.study.regressed"


class MovedScore(Frozen):
    """One metric of one arm in two executions of a study: means over seeds."""

    arm: str
    split: str
    checkpoint: str
    metric: str
    direction: Direction
    before: float
    after: float
    sd_before: float | None
    """ddof 1; None for one seed."""
    sd_after: float | None
    n_before: int
    n_after: int
    p: float | None
    """Of Welch's t-test over seeds, after Holm's correction over all scores; None where no test is possible."""
    is_moved: bool
    """Different by more than the seeds explain: `p` is at most 5 %, or scores without any spread differ."""

    @property
    def difference(self) -> float:
        """After minus before, in the metric's unit."""
        return self.after - self.before

    @property
    def is_worse(self) -> bool:
        """Moved in the wrong direction."""
        return self.is_moved and (self.difference < 0) == (self.direction == "maximize")


class DatasetUpdated(Frozen):
    """The data of a study have changed: resource `bertft.dataset.<study>`."""

    study: str
    config: dict[str, Any]
    """The whole study, overrides included."""
    home: str | None = Field(None, exclude_if=left_out_if(None))
    """Where it is to run; None for the worker's own."""
    files_sha256: str | None = Field(None, exclude_if=left_out_if(None))
    """Of the data files, where they were watched."""


class StudyCompleted(Frozen):
    """A study has ended: resource `bertft.study.<study>`."""

    study: str
    study_digest: str
    data_fingerprint: str
    tracking_uri: str
    """MLflow's store, without a password."""
    mlflow_run_id: str | None
    """The study's run there; None when the store is away."""


class StudyRegressed(StudyCompleted):
    """A study was run again and scores moved by more than its seeds explain: resource `bertft.study.<study>`."""

    reference: str
    """The study that it is compared with."""
    moved: tuple[MovedScore, ...]
    """The scores that are worse."""
