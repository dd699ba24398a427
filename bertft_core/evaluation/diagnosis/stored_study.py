"""What the checks read of a study: runs of an arm, rows of its summary, losses, tokenised splits, usual learning rates."""

import json
import math
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from bertft_core.config.training_settings import TrainingConfig
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.evaluation.run_diff.curve_diff import read_steps
from bertft_core.metrics.bounds import bounds_of
from bertft_core.recipes.data_profile import EncoderProfile, encoder_profile
from bertft_core.recipes.hyperparameters import FEATURES_HIGH, FEATURES_LOW, band_of, rates_of
from bertft_core.records import DatasetCard, MetricSummary, RunRecord
from bertft_core.storage.study_results import StudyResults

ENOUGH_STEPS = 100
"""Optimizer steps that a run should have at least."""
FEW_LEARN_RATE = 10
"""Usual learning rates of adapters and of biases alone, relative to those of full fine-tuning (see their cards)."""


class UsualRates(NamedTuple):
    """The range in which a learning rate is usually found."""

    low: float
    high: float


def is_relative(metric: str) -> bool:
    """Losses and errors are measured in shares of themselves; shares and correlations, which may be near 0, in their own unit."""
    low, high = bounds_of(metric)
    return low >= 0 and math.isinf(high)


def improvement(results: StudyResults, before: float, after: float) -> float:
    """How much better `after` is than `before` by the study's metric, as a share of `before` where it `is_relative`.

    A loss that was 0 before is compared with `after`.
    """
    change = results.study.sign * (after - before)
    if not is_relative(results.study.metric):
        return change
    return change / (abs(before) or abs(after) or 1.0)


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


def encoder_of(card: DatasetCard) -> EncoderProfile | None:
    """Sizes of the encoder; None where its files are missing."""
    try:
        settings = json.loads((Path(card.encoder_dir) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return encoder_profile(settings, card.encoder.checkpoint, 0)


def usual_rates(results: StudyResults, arm: str) -> UsualRates | None:
    """The range that `bertft recommend` would choose for an arm; None where the encoder's files are missing."""
    kinds = {strategy.kind for strategy in results.decided.study.arms[arm].strategies}
    if "feature_extraction" in kinds:
        return UsualRates(FEATURES_LOW, FEATURES_HIGH)
    card = results.of_arm(arm).card
    encoder = encoder_of(card)
    if encoder is None:
        return None
    rates = rates_of(band_of(card.splits["train"].n_examples), encoder)
    higher = FEW_LEARN_RATE if kinds & {"bitfit", "lora"} else 1
    return UsualRates(higher * rates.low, higher * rates.high)
