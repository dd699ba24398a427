"""What an arm searches over, with how many trials and seeds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, StrictFloat, StrictInt, StrictStr, field_validator, model_validator

from bertft_core.config.base import LARGEST, Frozen, misplaced, wrong_value
from bertft_core.config.errors import did_you_mean
from bertft_core.config.training_settings import TrainingConfig, TrainingOverrides

FIRST_SEARCH_SEED_INDEX = 1_000_000


class Range(Frozen):
    """A number between `low` and `high`, both included."""

    low: float
    high: float
    log: bool = False
    integer: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if self.low >= self.high:
            raise wrong_value(
                f"low ({self.low}) must be smaller than high ({self.high})", "exchange the two, correct one, or give choices"
            )
        if self.integer and not (self.low.is_integer() and self.high.is_integer()):
            raise wrong_value(
                f"low ({self.low}) and high ({self.high}) of an integer range must be integers",
                "write them without decimals, or remove integer",
            )
        if self.log and self.low <= 0:
            raise wrong_value("a log range must start above 0", "raise low, or remove log")
        return self


class Choices(Frozen):
    """One of the listed values."""

    choices: tuple[StrictInt | StrictFloat | StrictStr, ...] = Field(min_length=1, max_length=1000)


class SearchConfig(Frozen):
    """An Optuna search: each trial trains on `n_seeds` search seeds and scores the mean of their best validation metric."""

    space: dict[str, Range | Choices] = Field(
        min_length=1,
        description="Training setting to a range or a list of choices.",
        json_schema_extra={"propertyNames": {"enum": list(TrainingConfig.model_fields)}},
    )
    training: TrainingOverrides = Field(
        default_factory=TrainingOverrides,
        description="Training settings of the search that differ from the arm's, such as fewer epochs.",
    )
    n_trials: int = Field(8, ge=1, le=10_000, description="Total number of trials, including those before an interruption.")
    n_seeds: int = Field(2, ge=1, le=1000, description="Search seeds of each trial, disjoint from the report seeds.")
    first_seed_index: int = Field(FIRST_SEARCH_SEED_INDEX, ge=0, le=LARGEST)
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["median", "none"] = "median"
    trials_per_batch: int = Field(
        4, ge=1, le=10_000, description="Trials suggested at once; part of the search's identity, unlike the number of slots."
    )

    @field_validator("space")
    @classmethod
    def _known_settings(cls, space: dict[str, Range | Choices]) -> dict[str, Range | Choices]:
        for name in space:
            if name not in TrainingConfig.model_fields:
                known = list(TrainingConfig.model_fields)
                hint = did_you_mean(name, known) or "correct it or remove it"
                raise misplaced((name,), f"unknown training setting; known are {', '.join(known)}", hint)
        return space
