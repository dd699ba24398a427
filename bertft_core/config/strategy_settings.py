"""Which ways of fine-tuning an arm combines; one class for each file in `bertft_core/strategies`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, field_validator, model_validator

from bertft_core.config.base import LARGEST, Frozen, wrong_value
from bertft_core.config.probe_settings import BUNDLED_TEXTS, known_text

OWN_TEXTS = "own"
"""`text` of replay: what the arm trains on."""


class Full(Frozen):
    """Every parameter is trained."""

    kind: Literal["full"] = "full"


class FeatureExtraction(Frozen):
    """The encoder is frozen and in evaluation mode; only the head is trained."""

    kind: Literal["feature_extraction"] = "feature_extraction"


class BitFit(Frozen):
    """Only the biases of the encoder and the head are trained."""

    kind: Literal["bitfit"] = "bitfit"


class Lora(Frozen):
    """Low-rank matrices beside the weights of the encoder are trained, and the head."""

    kind: Literal["lora"] = "lora"
    rank: int = Field(8, ge=0, le=10_000, description="Rank of each adapter; 0 for none, and every parameter is trained.")
    alpha: float = Field(16.0, gt=0.0, description="An adapter is scaled by alpha / rank.")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Dropout on the inputs of the adapters.")
    targets: Literal["query_value", "attention", "all_linear"] = Field(
        "query_value",
        description="Which linear layers have an adapter: queries and values, the whole attention, or all in the layers.",
    )


class Freezing(Frozen):
    """The embeddings and the lowest layers of the encoder are frozen."""

    kind: Literal["freezing"] = "freezing"
    layers: int = Field(ge=0, le=LARGEST, description="Number of lowest layers to freeze.")
    embeddings: bool = Field(True, description="Also freeze the embeddings.")


class Reinit(Frozen):
    """The top layers of the encoder and its pooler are reinitialised."""

    kind: Literal["reinit"] = "reinit"
    layers: int = Field(1, ge=0, le=LARGEST, description="Number of top layers to reinitialise.")
    pooler: bool = Field(True, description="Also reinitialise the encoder's pooler.")


class LayerwiseDecay(Frozen):
    """The lower the layer, the smaller the learning rate."""

    kind: Literal["llrd"] = "llrd"
    decay: float = Field(0.9, gt=0.0, le=1.0, description="Each layer's learning rate is this share of that of the layer above.")


class GradualUnfreezing(Frozen):
    """The head is trained first, then layers are unfrozen from the top."""

    kind: Literal["gradual_unfreezing"] = "gradual_unfreezing"
    layers: int = Field(1, ge=1, le=LARGEST, description="Layers to unfreeze at a time.")
    every_epochs: float | None = Field(
        1.0, ge=0.0, le=LARGEST, description="Epochs between two stages; 0 unfreezes everything at the start."
    )
    every_steps: int | None = Field(None, ge=0, le=LARGEST, description="Steps between two stages, instead of epochs.")

    @model_validator(mode="before")
    @classmethod
    def _steps_alone(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("every_steps") is not None and "every_epochs" not in value:
            return value | {"every_epochs": None}
        return value

    @model_validator(mode="after")
    def _one_of_both(self) -> GradualUnfreezing:
        if (self.every_epochs is None) == (self.every_steps is None):
            raise wrong_value(
                "give either every_epochs or every_steps, and set the other to null", "write null for one of the two"
            )
        return self

    def n_steps(self, steps_per_epoch: int) -> int:
        """Optimizer steps between two stages."""
        return self.every_steps if self.every_epochs is None else round(self.every_epochs * steps_per_epoch)  # type: ignore[return-value]


class Mixout(Frozen):
    """During training, random inputs of each linear layer use the weights that it started from."""

    kind: Literal["mixout"] = "mixout"
    p: float = Field(0.1, ge=0.0, lt=1.0, description="Share of the input neurons that use the old weights.")
    head_target: Literal["zero", "start"] = Field(
        "zero", description="Old weights of a new head: zero, which is dropout, or its initial weights."
    )


class PriorDecay(Frozen):
    """The encoder weights decay towards their initial values."""

    kind: Literal["prior_decay"] = "prior_decay"
    rate: float = Field(0.01, ge=0.0, description="Share of the distance per step, times the learning rate.")


class LegacyAdam(Frozen):
    """The optimizer of the first BERT code instead of AdamW."""

    kind: Literal["legacy_adam"] = "legacy_adam"
    bias_correction: bool = Field(False, description="Correct the bias of the moments, as later versions of that code do.")


class EarlyStopping(Frozen):
    """Stop when a validation metric has not improved by more than `min_delta` for `patience` evaluations."""

    kind: Literal["early_stopping"] = "early_stopping"
    patience: int = Field(ge=1, le=LARGEST, description="Evaluations in a row without improvement.")
    min_delta: float = Field(0.0, ge=0.0, description="Smallest change that counts as an improvement.")
    metric: str | None = Field(None, description="Validation metric to watch; its best weights are restored.")


class ClassWeights(Frozen):
    """The loss of an example is weighted by its class."""

    kind: Literal["class_weights"] = "class_weights"
    weights: Literal["balanced", "effective_number"] | dict[str, Annotated[float, Field(ge=0.0)]] = Field(
        "balanced", description="From the training counts, or label to weight; other labels have weight 1."
    )
    beta: float = Field(0.999, ge=0.0, lt=1.0, description="effective_number: how quickly further examples of a class add less.")


class Oversampling(Frozen):
    """Examples of rare classes are repeated in an epoch."""

    kind: Literal["oversampling"] = "oversampling"
    ratio: float = Field(1.0, ge=0.0, le=1.0, description="Smallest class after oversampling, as a share of the largest.")


class StratifiedBatches(Frozen):
    """Every batch has the class proportions of the epoch."""

    kind: Literal["stratified_batches"] = "stratified_batches"


class FocalLoss(Frozen):
    """Examples that are already predicted well count less."""

    kind: Literal["focal_loss"] = "focal_loss"
    gamma: float = Field(2.0, ge=0.0, description="How much less; 0 is cross-entropy.")


class LabelSmoothing(Frozen):
    """The target of the true label is a probability below one."""

    kind: Literal["label_smoothing"] = "label_smoothing"
    epsilon: float = Field(0.1, ge=0.0, lt=1.0, description="Probability spread evenly over all labels.")


class Replay(Frozen):
    """Raw texts are read in every step beside the examples, and their masked tokens predicted."""

    kind: Literal["replay"] = "replay"
    share: float = Field(0.25, ge=0.0, le=1.0, description="Texts that a step reads, as a share of batch_size.")
    text: str = Field(
        OWN_TEXTS,
        description="'own' for the texts that the arm trains on, 'manuals' (bundled), or the path of a .txt or .txt.gz.",
    )
    weight: float = Field(1.0, gt=0.0, description="Weight of the masked-LM loss beside that of the task.")

    @field_validator("text")
    @classmethod
    def _names_a_text(cls, text: str) -> str:
        return known_text(text, (OWN_TEXTS, *BUNDLED_TEXTS))


class WeightAveraging(Frozen):
    """The final weights are the mean of those at the last evaluations."""

    kind: Literal["swa"] = "swa"
    last: int = Field(3, ge=1, le=LARGEST, description="Number of last evaluations whose weights are averaged.")


AnyStrategy = (
    Full
    | FeatureExtraction
    | BitFit
    | Lora
    | Freezing
    | Reinit
    | LayerwiseDecay
    | GradualUnfreezing
    | Mixout
    | PriorDecay
    | LegacyAdam
    | EarlyStopping
    | ClassWeights
    | Oversampling
    | StratifiedBatches
    | FocalLoss
    | LabelSmoothing
    | Replay
    | WeightAveraging
)
StrategyConfig = Annotated[AnyStrategy, Field(discriminator="kind")]

KINDS: tuple[str, ...] = tuple(config.model_fields["kind"].default for config in get_args(AnyStrategy))
"""Every kind, in the order in which strategies are applied."""


def _in_order(strategies: tuple[Any, ...]) -> tuple[Any, ...]:
    """A fixed order, so that the digest does not depend on how the list is written."""
    return tuple(sorted(strategies, key=lambda strategy: KINDS.index(strategy.kind)))


Strategies = Annotated[tuple[StrategyConfig, ...], AfterValidator(_in_order)]
"""The strategies of an arm, in the order of `KINDS`."""


def replay_of(strategies: Iterable[AnyStrategy]) -> Replay | None:
    """The strategy by which texts are replayed, if any are."""
    return next((strategy for strategy in strategies if isinstance(strategy, Replay) and strategy.share), None)
