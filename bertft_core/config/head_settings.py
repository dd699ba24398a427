"""Which task head is put on the encoder: one class for each file in `bertft_core/heads`."""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from bertft_core.config.base import Frozen, left_out_if

Direction = Literal["maximize", "minimize"]
Offer = Literal["labels", "cross_entropy", "example_classes"]
Pooling = Annotated[
    Literal["pooler", "cls", "mean"],
    Field(
        description="Input of the head: the first token through the encoder's own pooling layer, "
        "the first token as it is, or the mean of all tokens."
    ),
]
Aggregate = Annotated[
    Literal["mean", "max", "first", "attention"],
    Field(
        description="How the outputs of a long text's windows are aggregated: their mean, the largest for each label, those of "
        "the first window, or a mean with learned weights; only with data.long_texts: windows."
    ),
]

EXTRA_PARTS = {"crf": ("crf", True), "window_attention": ("aggregate", "attention")}
"""Parts of heads for which transformers has no place, each in a file of its own beside the weights: name → the key of the head
that asks for it, and its value."""


def part_file(name: str) -> str:
    """Name of the file of one of `EXTRA_PARTS`."""
    return f"{name}.safetensors"


BOUNDARIES = frozenset({"long_texts", "doc_stride"})
TEXT = frozenset({"text", "label", "symmetric", "empty_texts"}) | BOUNDARIES


class BaseHead(Frozen):
    """What every head says of itself."""

    @property
    def extra_parts(self) -> tuple[str, ...]:
        """Which of `EXTRA_PARTS` it has."""
        return tuple(name for name, (key, value) in EXTRA_PARTS.items() if getattr(self, key, None) == value)

    @property
    def is_plain(self) -> bool:
        """Whether the class of transformers alone computes what training and scoring saw, for one window."""
        return not self.extra_parts and getattr(self, "pooling", "pooler") == "pooler"


class DrawnHead(BaseHead):
    """A head that each run draws anew, unless it is to start from the one of the checkpoint."""

    init: Literal["seed", "checkpoint"] = Field(
        "seed",
        exclude_if=left_out_if("seed"),
        description="Where the head's first weights come from: each run's init seed, or the head that the checkpoint already "
        "has, which every run then starts from.",
    )

    auto_class: ClassVar[str]
    """Class of transformers that such a model is, and that opens its saved form."""
    n_outputs: ClassVar[int | None] = None
    """Outputs of the last layer; None where there is one for each label."""


class ClassificationHead(DrawnHead):
    """Sequence classification over two or more classes, one text or a pair of texts."""

    kind: Literal["classification"] = "classification"
    pooling: Pooling = "pooler"
    aggregate: Aggregate = "mean"

    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"

    metrics: ClassVar[dict[str, Direction]] = {
        "accuracy": "maximize",
        "f1_macro": "maximize",
        "f1_weighted": "maximize",
        "f1_binary": "maximize",
        "accuracy_and_f1": "maximize",
        "mcc": "maximize",
        "log_loss": "minimize",
        "ece": "minimize",
    }
    """Metrics a study may select by, and which way is better; the first is the default."""
    reads: ClassVar[frozenset[str]] = TEXT | {"labels"}
    """Keys of `data` that this head reads, besides those that every head reads."""
    offers: ClassVar[frozenset[Offer]] = frozenset({"labels", "cross_entropy", "example_classes"})
    """What strategies may need of a head; see `strategy_combinations.NEEDS`."""


class MultiLabelHead(DrawnHead):
    """Any number of labels for a text or a pair of texts, each of them on or off."""

    kind: Literal["multi_label"] = "multi_label"
    pooling: Pooling = "pooler"
    aggregate: Aggregate = "mean"

    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    metrics: ClassVar[dict[str, Direction]] = {
        "f1_micro": "maximize",
        "f1_macro": "maximize",
        "f1_weighted": "maximize",
        "f1_samples": "maximize",
        "accuracy": "maximize",
        "hamming_loss": "minimize",
        "average_precision_macro": "maximize",
        "log_loss": "minimize",
    }
    reads: ClassVar[frozenset[str]] = TEXT | {"labels", "label_separator"}
    offers: ClassVar[frozenset[Offer]] = frozenset({"labels", "cross_entropy", "example_classes"})


class RegressionHead(DrawnHead):
    """A number for a text or a pair of texts, trained by mean squared error."""

    kind: Literal["regression"] = "regression"
    pooling: Pooling = "pooler"
    aggregate: Aggregate = "mean"

    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    n_outputs: ClassVar[int | None] = 1
    metrics: ClassVar[dict[str, Direction]] = {
        "pearson": "maximize",
        "spearman": "maximize",
        "pearson_and_spearman": "maximize",
        "mse": "minimize",
        "rmse": "minimize",
        "mae": "minimize",
        "r2": "maximize",
    }
    reads: ClassVar[frozenset[str]] = TEXT
    offers: ClassVar[frozenset[Offer]] = frozenset()


class TokenClassificationHead(DrawnHead):
    """A tag for every word: named entities, parts of speech."""

    kind: Literal["token_classification"] = "token_classification"
    word_prediction: Literal["first", "last", "mean"] = Field(
        "first", description="Which subwords predict a word: the first, the last, or the mean of all their logits."
    )
    crf: bool = Field(False, description="A linear-chain CRF on top, with the transitions that the tag scheme allows.")

    auto_class: ClassVar[str] = "AutoModelForTokenClassification"
    metrics: ClassVar[dict[str, Direction]] = {
        "f1": "maximize",
        "strict_f1": "maximize",
        "precision": "maximize",
        "recall": "maximize",
        "f1_macro": "maximize",
        "f1_weighted": "maximize",
        "accuracy": "maximize",
    }
    reads: ClassVar[frozenset[str]] = frozenset(
        {"tokens", "tags", "sentence", "labels", "scheme", "train_scheme", "invalid_tags", "doc_stride"}
    )
    offers: ClassVar[frozenset[Offer]] = frozenset({"labels", "cross_entropy"})


class QuestionAnsweringHead(DrawnHead):
    """Extractive question answering: the span of a context that answers, or none."""

    kind: Literal["question_answering"] = "question_answering"
    n_best: int = Field(20, ge=1, le=1000, description="Start and end positions considered, and answers kept, for each question.")
    max_answer_length: int = Field(30, ge=1, le=8192, description="Longest answer in tokens.")

    auto_class: ClassVar[str] = "AutoModelForQuestionAnswering"
    n_outputs: ClassVar[int | None] = 2
    metrics: ClassVar[dict[str, Direction]] = {
        "f1": "maximize",
        "exact": "maximize",
        "best_f1": "maximize",
        "best_exact": "maximize",
        "has_ans_f1": "maximize",
        "has_ans_exact": "maximize",
    }
    reads: ClassVar[frozenset[str]] = frozenset(
        {"id", "question", "context", "answers", "misplaced_answers", "max_question_length", "long_questions", "doc_stride"}
    )
    offers: ClassVar[frozenset[Offer]] = frozenset({"cross_entropy", "example_classes"})


class MaskedLMHead(BaseHead):
    """Masked language modelling on raw text: domain-adaptive pre-training."""

    kind: Literal["masked_lm"] = "masked_lm"
    masking_ratio: float = Field(
        0.15,
        gt=0.0,
        lt=1.0,
        description="Share of the tokens to predict in training: 80 % of them masked, 10 % random, 10 % kept. "
        "Evaluation always predicts 15 %.",
    )

    auto_class: ClassVar[str] = "AutoModelForMaskedLM"
    n_outputs: ClassVar[int | None] = None
    init: ClassVar[Literal["checkpoint_if_there"]] = "checkpoint_if_there"
    """The pre-trained vocabulary layer is what this head goes on training; only what the checkpoint lacks is drawn."""
    metrics: ClassVar[dict[str, Direction]] = {
        "loss": "minimize",
        "accuracy": "maximize",
        "perplexity": "minimize",
    }
    reads: ClassVar[frozenset[str]] = frozenset({"text", "text_unit"})
    offers: ClassVar[frozenset[Offer]] = frozenset({"cross_entropy"})


AnyHead = ClassificationHead | MultiLabelHead | RegressionHead | TokenClassificationHead | QuestionAnsweringHead | MaskedLMHead
HEAD_CONFIGS: dict[str, type[AnyHead]] = {config.model_fields["kind"].default: config for config in get_args(AnyHead)}
"""Kind → its configuration."""


def _kind_alone(value: object) -> object:
    """`head: classification` is short for `head: {kind: classification}`; classification is the default."""
    if isinstance(value, str):
        return {"kind": value}
    if isinstance(value, dict) and "kind" not in value:
        return {"kind": "classification"} | value
    return value


def default_metric(head: Any) -> str | None:
    """The metric of a head section that is not validated yet; None for an unknown head."""
    section = _kind_alone(head if head is not None else {})
    kind = section.get("kind") if isinstance(section, dict) else getattr(section, "kind", None)
    config = HEAD_CONFIGS.get(kind) if isinstance(kind, str) else None
    return None if config is None else next(iter(config.metrics))


HeadConfig = Annotated[
    Annotated[AnyHead, Field(discriminator="kind")],
    BeforeValidator(_kind_alone, json_schema_input_type=AnyHead | Literal[tuple(HEAD_CONFIGS)]),  # type: ignore[valid-type]
]
