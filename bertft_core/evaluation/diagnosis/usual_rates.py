"""The learning rates that are usual for a study's encoder and size, as `bertft recommend` knows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from bertft_core.evaluation.diagnosis.evidence import Evidence
from bertft_core.recipes.data_profile import encoder_profile
from bertft_core.recipes.hyperparameters import FEATURES_HIGH, FEATURES_LOW, band_of, rates_of


class UsualRates(NamedTuple):
    """The range in which a rate is usually found."""

    low: float
    high: float


def usual_rates(evidence: Evidence, arm: str) -> UsualRates | None:
    """Of one arm: a head alone takes larger steps. None where the encoder's files are gone."""
    if any(strategy.kind == "feature_extraction" for strategy in evidence.study.arms[arm].strategies):
        return UsualRates(FEATURES_LOW, FEATURES_HIGH)
    try:
        settings = json.loads((Path(evidence.card.encoder_dir) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = encoder_profile(settings, evidence.card.encoder.checkpoint, 0)
    rates = rates_of(band_of(evidence.card.splits["train"].n_examples), known)
    return UsualRates(rates.low, rates.high)
