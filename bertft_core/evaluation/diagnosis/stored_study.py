"""What the checks read of a study: runs of an arm, rows of its summary, losses, tokenised splits, usual learning rates."""

import json
import math
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from bertft_core.config.training_settings import TrainingConfig
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.evaluation.run_diff.curve_diff import read_steps
from bertft_core.recipes.data_profile import encoder_profile
from bertft_core.recipes.hyperparameters import FEATURES_HIGH, FEATURES_LOW, band_of, rates_of
from bertft_core.recipes.study_yaml import number
from bertft_core.records import DatasetCard, MetricSummary, RunRecord
from bertft_core.storage.study_results import StudyResults

ENOUGH_STEPS = 100
"""Optimizer steps that a run should have at least."""


class UsualRates(NamedTuple):
    """The range in which a learning rate is usually found."""

    low: float
    high: float


def improvement(results: StudyResults, before: float, after: float) -> float:
    """How much better `after` is than `before` by the study's metric, as a share of `before`."""
    return results.study.sign * (after - before) / max(abs(before), 1e-9)


def training_of(results: StudyResults, arm: str) -> TrainingConfig:
    """The arm's training settings, with what its search chose."""
    return results.study.training_of(arm, dict(results.chosen.get(arm, {})))


def planned_steps(results: StudyResults, arm: str) -> int:
    """Optimizer steps that the arm's runs were planned for; 0 where no run has begun."""
    return max((record.planned_steps for record in results.runs_of(arm)), default=0)


def row_of(results: StudyResults, arm: str, metric: str | None = None) -> MetricSummary | None:
    """An arm's metric over its seeds (by default the headline), on the headline split and checkpoint."""
    summary = results.summary
    key = (summary.headline_split, summary.headline_checkpoint, metric or summary.headline_metric)
    rows = [row for each in summary.arms if each.arm == arm for row in each.metrics if row.collapsed_included]
    return next((row for row in rows if (row.split, row.checkpoint, row.metric) == key), None)


def losses_of(results: StudyResults, record: RunRecord) -> list[float]:
    """Training loss of every step of a run; empty where its curves are missing."""
    steps = read_steps(results.run_dir_of(record.digest) / "curves.jsonl")
    return [step["loss"] for step in steps if step.get("loss") is not None]


def open_splits(card: DatasetCard) -> dict[str, PreparedSplit]:
    """The tokenised splits; those whose files are missing are left out."""
    splits = {}
    for name in card.splits:
        try:
            splits[name] = open_split(card.directory, name)
        except (OSError, pa.ArrowException):
            continue
    return splits


def usual_rates(results: StudyResults, arm: str) -> UsualRates | None:
    """The range that `bertft recommend` would choose for an arm; None where the encoder's files are missing."""
    if any(strategy.kind == "feature_extraction" for strategy in results.study.arms[arm].strategies):
        return UsualRates(FEATURES_LOW, FEATURES_HIGH)
    try:
        settings = json.loads((Path(results.card.encoder_dir) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    encoder = encoder_profile(settings, results.card.encoder.checkpoint, 0)
    rates = rates_of(band_of(results.card.splits["train"].n_examples), encoder)
    return UsualRates(rates.low, rates.high)


def rounded(value: float) -> str:
    """A value for an override, with two digits: 2e-5, 1.5e-4."""
    return number(float(f"{value:.2g}"))


def train_longer(results: StudyResults, arm: str) -> str:
    """The override that trains an arm twice as long, or for `ENOUGH_STEPS` where that is more."""
    training, n_steps = results.study.training_of(arm), planned_steps(results, arm)
    factor = max(2, math.ceil(ENOUGH_STEPS / n_steps)) if n_steps else 2
    if training.max_steps is not None:
        return f"arms.{arm}.max_steps={factor * training.max_steps}"
    return f"arms.{arm}.epochs={factor * (training.epochs or 1):g}"
