"""What an arm searches over, with how many trials and seeds."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, field_validator, model_validator

from bertft_core.config.base import LARGEST, Frozen, left_out_if, misplaced, wrong_value
from bertft_core.config.errors import did_you_mean
from bertft_core.config.sampler_spaces import Sampler, check_enqueued, check_sampler
from bertft_core.config.search_space import SEARCHABLE, Choices, Range, Space, flat_space, is_switch, n_variants
from bertft_core.config.training_settings import TrainingConfig, TrainingOverrides

FIRST_SEARCH_SEED_INDEX = 1_000_000
MAX_VARIANTS = 50
"""Most combinations of encoder, head and data in one search: the data are prepared for each."""


OTHERS = ("those of an arm's encoder, head, data and strategies, such as strategies.llrd.decay",)


class SearchConfig(Frozen):
    """An Optuna search: each trial trains on `n_seeds` search seeds and scores the mean of their best validation metric."""

    space: dict[str, Range | Choices] = Field(
        min_length=1,
        description="Setting to a range or a list of choices: any setting of an arm, dotted, such as strategies.llrd.decay.",
        json_schema_extra={"propertyNames": {"enum": list(SEARCHABLE)}},
    )
    training: TrainingOverrides = Field(
        default_factory=TrainingOverrides,
        description="Training settings of the search that differ from the arm's, such as fewer epochs.",
    )
    n_trials: int = Field(8, ge=1, le=10_000, description="Total number of trials, including those before an interruption.")
    n_seeds: int = Field(2, ge=1, le=1000, description="Search seeds of each trial, disjoint from the report seeds.")
    first_seed_index: int = Field(FIRST_SEARCH_SEED_INDEX, ge=0, le=LARGEST)
    sampler: Sampler = Field("tpe", description="Which of Optuna's samplers suggests the trials.")
    multivariate: bool = Field(
        True, exclude_if=left_out_if(True), description="TPE: model the settings together, rather than each by itself."
    )
    group: bool = Field(
        False,
        exclude_if=left_out_if(False),
        description="TPE: also model together the settings of strategies that some trials turn off.",
    )
    enqueue: tuple[dict[str, StrictBool | StrictInt | StrictFloat | StrictStr], ...] = Field(
        (),
        max_length=1000,
        exclude_if=left_out_if(()),
        description="Settings of the first trials, one mapping each: known to be good, and inside the space.",
    )
    pruner: Literal["median", "none"] = "median"
    trials_per_batch: int = Field(
        4, ge=1, le=10_000, description="Trials suggested at once; part of the search's identity, unlike the number of slots."
    )

    @field_validator("space", mode="before")
    @classmethod
    def _dotted(cls, space: Any) -> Any:
        return flat_space(space)

    @field_validator("enqueue", mode="before")
    @classmethod
    def _all_dotted(cls, enqueue: Any) -> Any:
        return [flat_space(settings) for settings in enqueue] if isinstance(enqueue, list | tuple) else enqueue

    @model_validator(mode="after")
    def _fits_sampler(self) -> Self:
        check_sampler(self.sampler, self.space, self.n_trials)
        for name in ("multivariate", "group"):
            if self.sampler != "tpe" and getattr(self, name) != type(self).model_fields[name].default:
                raise misplaced((name,), f"it is an option of tpe, and the sampler is {self.sampler}", "remove it")
        if self.group and not self.multivariate:
            raise misplaced(("group",), "it needs multivariate", "remove one of them")
        return self

    @model_validator(mode="after")
    def _known_to_be_good(self) -> Self:
        check_enqueued(self.enqueue, self.sampler, self.space, self.n_trials)
        return self

    @field_validator("space")
    @classmethod
    def _known_settings(cls, space: dict[str, Range | Choices]) -> dict[str, Range | Choices]:
        for name, part in space.items():
            if name not in SEARCHABLE:
                raise misplaced((name,), _unknown(name), did_you_mean(name, SEARCHABLE) or "correct it or remove it")
            truths = [i for i, each in enumerate(getattr(part, "choices", ())) if isinstance(each, bool)]
            if truths and name in TrainingConfig.model_fields:
                at = (name, "choices", truths[0])
                raise misplaced(at, "no training setting is true or false", "write a number or a name, or remove it")
            if is_switch(name) and not (isinstance(part, Choices) and all(isinstance(each, bool) for each in part.choices)):
                problem = "it turns the strategy on or off; its own settings are searched by their names"
                raise misplaced((name,), problem, f"write {{choices: [true, false]}}, or search {_settings_of(name)}")
        if (n := n_variants(space)) > MAX_VARIANTS:
            raise wrong_value(f"it needs {n} prepared data sets; at most {MAX_VARIANTS} are prepared", "list fewer choices")
        return space

    @property
    def training_space(self) -> Space:
        """The searched training settings."""
        return {name: part for name, part in self.space.items() if name in TrainingConfig.model_fields}


def _unknown(name: str) -> str:
    above = name.rpartition(".")[0]
    known = [key for key in SEARCHABLE if above and key.startswith(f"{above}.")] or [*TrainingConfig.model_fields, *OTHERS]
    return f"unknown setting; known are {', '.join(known)}"


def _settings_of(switch: str) -> str:
    return " or ".join(key for key in SEARCHABLE if key.startswith(f"{switch}.")) or "nothing else of it: it has none"
