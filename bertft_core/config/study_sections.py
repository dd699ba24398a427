"""The sections of a study file, each valid by itself; `StudyConfig` adds the checks across sections."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from bertft_core.config.arm_sections import DataOverrides, EncoderOverrides, HeadOverrides, own_sections
from bertft_core.config.base import NAME_PATTERN, Frozen, left_out_if, misplaced
from bertft_core.config.data_settings import DataConfig
from bertft_core.config.dotted_settings import set_setting
from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.config.execution_settings import ExecutionConfig, RetentionConfig, TrackingConfig
from bertft_core.config.grids import MAX_ARMS, expand_grids
from bertft_core.config.head_settings import ClassificationHead, Direction, HeadConfig, default_metric
from bertft_core.config.learning_curves import LearningCurve, Subsets, TrainExamples
from bertft_core.config.probe_settings import ProbesConfig
from bertft_core.config.search_settings import SearchConfig
from bertft_core.config.search_space import Settings, tried_settings, variants
from bertft_core.config.seed_settings import SeedsConfig
from bertft_core.config.strategy_settings import Full, Strategies
from bertft_core.config.training_settings import TrainingConfig, TrainingOverrides, merge_training

MOST_ARMS = 1000
"""Every pair of them is compared."""
SECTIONS_OF_AN_ARM = ("encoder", "head", "data")
"""Sections that an arm may change key by key."""


class ArmConfig(TrainingOverrides):
    """One setting of the study: strategies, whatever differs from the study's settings, and an optional search."""

    encoder: EncoderOverrides | None = Field(
        None, exclude_if=left_out_if(None), description="Another encoder, or settings of it."
    )
    head: HeadOverrides | None = Field(None, exclude_if=left_out_if(None), description="Settings of the head that differ.")
    data: DataOverrides | None = Field(None, exclude_if=left_out_if(None), description="Settings of the data that differ.")
    strategies: Strategies = Field((Full(),), min_length=1)
    search: SearchConfig | None = None
    grid: dict[str, Any] | None = Field(
        None,
        exclude_if=left_out_if(None),
        description="Setting to a list of values: the arm becomes one arm for each combination; any setting of an arm, dotted.",
    )
    grid_values: dict[str, Any] = Field(
        {}, exclude_if=left_out_if({}), description="What a grid or learning curve has given the arm; written by bertft."
    )
    train_examples: TrainExamples | None = Field(
        None, exclude_if=left_out_if(None), description="Train on a random subset of so many examples, stratified by label."
    )
    train_subsets: Subsets = Field(
        "per_seed",
        exclude_if=left_out_if("per_seed"),
        description="With train_examples: another subset for each seed, or the same one for all seeds (fixed).",
    )
    learning_curve: LearningCurve | None = Field(
        None, exclude_if=left_out_if(None), description="Sizes of the training set: the arm becomes one arm for each."
    )

    def with_settings(self, settings: Mapping[str, Any]) -> Self:
        """The arm with these settings, dotted, instead of its own; `strategies.KIND` true or false turns a strategy on or off.

        Training settings are left out: `merge_training` sets them. Raises `pydantic.ValidationError` for an invalid value.
        """
        own = {key: value for key, value in settings.items() if key not in TrainingConfig.model_fields}
        if not own:
            return self
        plain = self.model_dump(exclude_unset=True, exclude={"search", "grid", "grid_values"})
        given = () if self.strategies == (Full(),) else self.strategies
        plain["strategies"] = [each.model_dump(exclude_defaults=True) | {"kind": each.kind} for each in given]
        for key, value in own.items():
            set_setting(plain, key, value)
        plain["strategies"] = plain["strategies"] or [Full()]
        kept = {"search": self.search, "grid_values": self.grid_values}
        return type(self).model_validate(plain).model_copy(update=kept)


class HeadlineConfig(Frozen):
    """The result shown first; all others are in the report too."""

    split: str = Field(
        "test", description="test, validation or an out-of-domain set; test falls back to validation if there is no test set."
    )
    checkpoint: Literal["best", "final"] = Field("best", description="Weights of the best validation score, or of the last step.")


class StudySections(Frozen):
    """What a study file may say. The first arm is the baseline."""

    name: str = Field(pattern=NAME_PATTERN, description="Names the study's directory and its MLflow experiment.")
    description: str = ""
    seed: int = Field(0, ge=0, lt=2**53, description="The study seed every other seed is derived from.")
    data: DataConfig
    encoder: EncoderConfig = Field(default_factory=lambda: EncoderConfig.model_validate({}))
    head: HeadConfig = ClassificationHead()
    metric: str = Field(
        "accuracy",
        description="Validation metric for selection, early stopping, search and the headline; by default the head's first one.",
    )
    training: TrainingConfig = TrainingConfig()
    arms: dict[str, ArmConfig] = Field(min_length=1, max_length=MOST_ARMS)
    max_arms: int = Field(
        MAX_ARMS, ge=1, le=MOST_ARMS, exclude_if=left_out_if(MAX_ARMS), description="Most arms of a study with grids."
    )
    seeds: SeedsConfig = SeedsConfig()
    headline: HeadlineConfig = HeadlineConfig()
    ensemble: bool = Field(False, description="Also score the ensemble of each arm's seeds: the mean of their probabilities.")
    probes: ProbesConfig | None = Field(None, description="Forgetting and confidence of every run; {} turns on all probes.")
    execution: ExecutionConfig = ExecutionConfig()
    retention: RetentionConfig = RetentionConfig()
    tracking: TrackingConfig = TrackingConfig()

    @model_validator(mode="before")
    @classmethod
    def _metric_of_the_head(cls, value: Any) -> Any:
        """The default metric is the head's own."""
        if not isinstance(value, dict) or value.get("metric") is not None or "head" not in value:
            return value
        metric = default_metric(value["head"])
        return value if metric is None else value | {"metric": metric}

    @model_validator(mode="before")
    @classmethod
    def _without_grids(cls, value: Any) -> Any:
        """An arm with a grid is one arm for each combination of its values."""
        return expand_grids(value)

    @field_validator("arms")
    @classmethod
    def _arm_names(cls, arms: dict[str, ArmConfig]) -> dict[str, ArmConfig]:
        for name in arms:
            if not name.replace("_", "").replace("-", "").isalnum():
                raise misplaced((name,), "no arm can have this name", "use letters, digits, '_' and '-' only")
        return arms

    @property
    def direction(self) -> Direction:
        """Whether a larger or a smaller `metric` is better."""
        return self.head.metrics[self.metric]

    @property
    def sign(self) -> float:
        """1 where a higher `metric` is better, else −1."""
        return 1.0 if self.direction == "maximize" else -1.0

    @property
    def n_runs_per_arm(self) -> int:
        """Report runs of each arm; with `seeds.until` those of the first batch."""
        return self.seeds.n_at_first

    @property
    def is_selected(self) -> bool:
        """Many seeds start and the best continue: they are not a sample, so they enter no sd, interval or comparison."""
        return self.seeds.start is not None

    def of_arm(self, arm: str) -> Self:
        """The study as one arm sees it, with the arm's own encoder, head and data; itself where the arm changes none."""
        changes = {name: getattr(self.arms[arm], name) for name in SECTIONS_OF_AN_ARM}
        own = own_sections({name: getattr(self, name) for name in SECTIONS_OF_AN_ARM}, changes, ("arms", arm))
        return self.model_copy(update=own) if own else self

    def variants(self) -> list[tuple[str, Settings]]:
        """Arm and searched settings that decide which encoder, head and data its trials have, for every such choice."""
        searches = {name: arm.search.space for name, arm in self.arms.items() if arm.search is not None}
        return [(name, settings) for name, space in searches.items() for settings in variants(space) if settings]

    def tried_arms(self) -> Iterator[tuple[str, Settings]]:
        """Arm and settings that its search can choose, as far as it is enough to try them; every arm also as it is."""
        for name, arm in self.arms.items():
            yield name, {}
            yield from ((name, settings) for settings, _ in tried_settings(arm.search.space if arm.search else {}))

    def own_settings(self, arm: str) -> dict[str, Any]:
        """Dotted key → this arm's value, of every setting of encoder, head, data and training set that any arm names."""
        named = {
            (section, key)
            for config in self.arms.values()
            for section in SECTIONS_OF_AN_ARM
            if (changes := getattr(config, section)) is not None
            for key in changes.overrides()
        }
        own = self.of_arm(arm)
        settings: dict[str, Any] = {}
        for section, key in sorted(named):
            value = getattr(getattr(own, section), key)
            parts = {"": value} if key != "subsample" else {".train": None} | {f".{split}": n for split, n in value.items()}
            settings |= {f"{section}.{key}{part}": each for part, each in parts.items()}
        if any(config.train_examples is not None for config in self.arms.values()):
            settings["train_examples"] = self.arms[arm].train_examples
        return settings

    def only(self, arm: str) -> Self:
        """The study with one arm, whose encoder, head and data are the study's.

        A search of encoders names them anew, with what the arm itself says of an encoder, so that stays with the arm too.
        """
        search = self.arms[arm].search
        searched = {name.partition(".")[0] for name in (() if search is None else search.space)}
        moved = [section for section in SECTIONS_OF_AN_ARM if section != "encoder" or section not in searched]
        alone = self.arms[arm].model_copy(update=dict.fromkeys(moved))
        return self.of_arm(arm).model_copy(update={"arms": {arm: alone}})

    def training_of(self, arm: str, chosen: dict[str, Any] | None = None) -> TrainingConfig:
        """The resolved settings of an arm, including the values chosen by a search."""
        own = {key: value for key, value in (chosen or {}).items() if key in TrainingConfig.model_fields}
        return merge_training(self.training, self.arms[arm].overrides(), own)

    def decided(self, chosen: Mapping[str, Mapping[str, Any]]) -> Self:
        """The study whose arms have the strategies, encoders, heads and data that were chosen for them (arm → dotted settings).

        Chosen training settings are an argument of `training_of` instead. Raises `pydantic.ValidationError`.
        """
        arms = {name: arm.with_settings(chosen.get(name, {})) for name, arm in self.arms.items()}
        return self.model_copy(update={"arms": arms}) if any(arms[name] is not arm for name, arm in self.arms.items()) else self
