"""What the checks look at, and what each one says."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import pyarrow as pa

from bertft_core.config.base import Frozen
from bertft_core.config.study_config import StudyConfig
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.metrics.precision_recall import is_share
from bertft_core.records import DatasetCard, MetricSummary, RunRecord, StudySummary, SweepResult
from bertft_core.records.ranking import SCORED

Verdict = Literal["ok", "look", "problem"]
VERDICTS: tuple[Verdict, ...] = ("problem", "look", "ok")
"""The worst first."""


class Diagnosis(Frozen):
    """The outcome of one check."""

    check: str
    verdict: Verdict
    found: tuple[str, ...]
    """Sentences with numbers."""
    hint: tuple[str, ...] = ()
    """What to change, as `--set` where a key of the study does it."""


@dataclass(frozen=True)
class Evidence:
    """A study as it lies on disk; `records` are its report runs."""

    study: StudyConfig
    card: DatasetCard
    records: tuple[RunRecord, ...]
    sweeps: Mapping[str, SweepResult]
    summary: StudySummary
    run_dir_of: Callable[[str], Path]

    @property
    def sign(self) -> float:
        """1 where a larger value of the study's metric is better, else -1."""
        return 1.0 if self.study.direction == "maximize" else -1.0

    def scored(self, arm: str) -> list[RunRecord]:
        """The arm's runs that ended with a model."""
        return [record for record in self.records if record.spec.arm == arm and record.status in SCORED]

    def row(self, arm: str, metric: str | None = None) -> MetricSummary | None:
        """An arm's metric over its seeds (by default the study's), on the headline split and checkpoint."""
        summary = self.summary
        key = (summary.headline_split, summary.headline_checkpoint, metric or summary.headline_metric)
        rows = [row for each in summary.arms if each.arm == arm for row in each.metrics if row.collapsed_included]
        return next((row for row in rows if (row.split, row.checkpoint, row.metric) == key), None)

    def told(self, value: float) -> str:
        """A value or difference of the study's metric: in points, hundredths, where it is a share."""
        return f"{100 * value:.1f} points" if is_share(self.study.metric) else f"{value:.3f}"

    def changed(self, before: float, after: float) -> float:
        """How much better `after` is than `before` by the study's metric, as a share of `before`."""
        return self.sign * (after - before) / max(abs(before), 1e-9)

    def losses(self, record: RunRecord) -> list[float]:
        """Training loss of every step of a run; none where its curves are gone."""
        try:
            lines = (self.run_dir_of(record.digest) / "curves.jsonl").read_text(encoding="utf-8").splitlines()
            events = [json.loads(line) for line in lines]
        except (OSError, ValueError):
            return []
        return [event["loss"] for event in events if event.get("kind") == "step" and event.get("loss") is not None]

    @cached_property
    def splits(self) -> dict[str, PreparedSplit]:
        """The tokenised splits; those whose files are gone are left out."""
        return dict(self._open())

    def _open(self) -> Iterator[tuple[str, PreparedSplit]]:
        for name in self.card.splits:
            try:
                yield name, open_split(self.card.directory, name)
            except (OSError, pa.ArrowException):
                continue


def worst(verdicts: list[Verdict]) -> Verdict:
    """The worst of several; ok of none."""
    return min(verdicts, key=VERDICTS.index, default="ok")


def standard_error(share: float, n: int) -> float:
    """Of a share of n independent examples."""
    return math.sqrt(max(share * (1 - share), 0.0) / n)


def short(rate: float) -> str:
    """A learning rate as people write it: 2e-5, 1.5e-4."""
    return f"{rate:.1e}".replace("e-0", "e-").replace(".0e", "e") if rate < 0.01 else f"{rate:.2g}"


ENOUGH_STEPS = 100
"""Optimizer steps that a run should have at least."""


def longer(evidence: Evidence, arm: str) -> str:
    """The override that trains an arm twice as long, or up to `ENOUGH_STEPS` where that is more."""
    training = evidence.study.training_of(arm)
    n_steps = max((record.planned_steps for record in evidence.records if record.spec.arm == arm), default=0)
    factor = max(2, math.ceil(ENOUGH_STEPS / n_steps)) if n_steps else 2
    if training.max_steps is not None:
        return f"--set arms.{arm}.max_steps={factor * training.max_steps}"
    return f"--set arms.{arm}.epochs={factor * (training.epochs or 1):g}"
