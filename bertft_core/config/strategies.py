"""Which ways of fine-tuning an arm combines; one class for each file in `bertft_core/strategies`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bertft_core.config.base import Frozen


class Full(Frozen):
    """Every parameter learns."""

    kind: Literal["full"] = "full"


class FeatureExtraction(Frozen):
    """The encoder is frozen and in evaluation mode; only the head learns."""

    kind: Literal["feature_extraction"] = "feature_extraction"


StrategyConfig = Annotated[Full | FeatureExtraction, Field(discriminator="kind")]
