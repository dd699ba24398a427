"""The settings of one training run, and the same settings as optional overrides of an arm."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from bertft_core.config.base import LARGEST, Frozen, left_out_if, wrong_value
from bertft_core.config.optional_settings import overrides_of

PAIRS = (
    ("epochs", "max_steps"),
    ("max_steps", "epochs"),
    ("evaluate_every_epochs", "evaluate_every_steps"),
    ("evaluate_every_steps", "evaluate_every_epochs"),
)
"""A setting and the one that it replaces."""

SCALED_TO = 16
"""The batch size that a scaled learning rate is meant for."""
SCALING_EXPONENTS = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}

Precision = Literal["fp32", "bf16", "fp16"]


class TrainingConfig(Frozen):
    """Everything that determines what a run computes, apart from data, encoder, head, strategies and seeds."""

    learning_rate: float = Field(2e-5, gt=0.0, le=1.0, description="Peak learning rate, reached at the end of warm-up.")
    learning_rate_scaling: Literal["none", "sqrt", "linear"] = Field(
        "none",
        exclude_if=left_out_if("none"),
        description="The learning rate is meant for batches of 16; times (batch_size / 16), or its square root, for others.",
    )
    batch_size: int = Field(16, ge=1, le=LARGEST, description="Examples in one optimizer step.")
    micro_batch_size: int | None = Field(
        None, ge=1, le=LARGEST, description="Examples in one forward pass; smaller than batch_size accumulates gradients exactly."
    )
    epochs: float | None = Field(
        3.0, gt=0.0, le=LARGEST, description="Passes over the training set; null when max_steps is given."
    )
    max_steps: int | None = Field(None, ge=1, le=LARGEST, description="Optimizer steps, instead of epochs.")
    warmup_ratio: float = Field(0.1, ge=0.0, lt=1.0, description="Share of the steps during which the learning rate rises.")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="After a linear warm-up: decay to exactly zero, linearly or as a half cosine, or constant."
    )
    weight_decay: float = Field(0.01, ge=0.0, description="Decoupled; none on biases and LayerNorm.")
    adam_beta1: float = Field(0.9, ge=0.0, lt=1.0)
    adam_beta2: float = Field(0.999, ge=0.0, lt=1.0)
    adam_epsilon: float = Field(1e-8, gt=0.0)
    max_grad_norm: float | None = Field(1.0, gt=0.0, description="Clip the global gradient norm; null does not clip.")
    dropout: float | None = Field(None, ge=0.0, lt=1.0, description="Overrides every dropout of the encoder and head.")
    evaluate_every_epochs: float | None = Field(
        1.0, gt=0.0, le=LARGEST, description="Epochs between validations; the last step is always validated."
    )
    evaluate_every_steps: int | None = Field(None, ge=1, le=LARGEST, description="Steps between validations, instead of epochs.")
    evaluate_train: bool = Field(
        False,
        exclude_if=left_out_if(False),
        description="Predict the training examples too at each evaluation, for the dataset map; costs a pass over them.",
    )
    precision: Precision = Field("fp32", description="bf16 and fp16 use autocast; fp16 needs CUDA.")

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate at the end of warm-up, scaled by the batch size where that is asked for."""
        if self.learning_rate_scaling == "none":
            return self.learning_rate
        return self.learning_rate * (self.batch_size / SCALED_TO) ** SCALING_EXPONENTS[self.learning_rate_scaling]

    @model_validator(mode="before")
    @classmethod
    def _unset_the_other(cls, value: Any) -> Any:
        """Giving `max_steps` alone unsets the default of `epochs`; likewise for every pair."""
        if not isinstance(value, dict):
            return value
        return {other: None for one, other in PAIRS if value.get(one) is not None and other not in value} | value

    @model_validator(mode="after")
    def _one_of_each_pair(self) -> TrainingConfig:
        if (self.epochs is None) == (self.max_steps is None):
            raise wrong_value("give either epochs or max_steps, and set the other to null", "write null for one of the two")
        if self.evaluate_every_epochs is not None and self.evaluate_every_steps is not None:
            raise wrong_value(
                "give either evaluate_every_epochs or evaluate_every_steps, and set the other to null",
                "write null for one of the two",
            )
        if self.micro_batch_size is not None and self.micro_batch_size > self.batch_size:
            raise wrong_value("micro_batch_size must not be larger than batch_size", "make it smaller, or raise batch_size")
        return self


class TrainingOverrides(overrides_of(TrainingConfig.model_fields)):  # type: ignore[misc]
    """Training settings that differ; absent settings are unchanged."""


def merge_training(base: TrainingConfig, *changes: dict[str, Any]) -> TrainingConfig:
    """`base` with changes, the later ones winning; giving one of a pair (epochs / max_steps, …) unsets the other.

    Raises `pydantic.ValidationError` if the result is not a valid configuration.
    """
    merged = base.model_dump()
    for change in changes:
        for one, other in PAIRS:
            if change.get(one) is not None and other not in change:
                merged[other] = None
        merged.update(change)
    return TrainingConfig.model_validate(merged)
