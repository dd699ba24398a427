"""What a task head consists of, one `Head` for each task type, entered in `HEADS`; and how its encoder is opened."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel

from bertft_core.heads.extra_parts import ExtraPart
from bertft_core.heads.first_weights import with_new_head
from bertft_core.heads.global_attention import GlobalTokens
from bertft_core.heads.inputs import Draw, HeadForward, HeadInputs, TokenisedSplit
from bertft_core.heads.unwritten_weights import unwritten_memory_is_nan, zero_unwritten_biases
from bertft_core.heads.window_groups import use_attention
from bertft_core.loss_shapes import PLAIN, LossShape

Build = Callable[[str, Sequence[str], float | None, Any], PreTrainedModel]
"""From encoder folder, labels, dropout and the head's configuration to its `AutoModelFor…` in fp32 on the CPU; what is new in it
is drawn from torch's global generator.
"""
Outputs = Callable[[PreTrainedModel, Tensor, HeadInputs, Any], Sequence[Any]]
"""What is kept of some logits: a row for each example, None where it is not finite; the last argument is the configuration."""


class MakeInputs(Protocol):
    """What the model reads for some examples of a split; `draw` where training makes random choices."""

    def __call__(
        self, split: TokenisedSplit, indices: Sequence[int] | np.ndarray, config: Any, draw: Draw | None = None, /
    ) -> HeadInputs: ...


class LossSum(Protocol):
    """The loss of some logits, summed over the targets of the inputs: a scalar in fp32."""

    def __call__(
        self, model: PreTrainedModel, logits: Tensor, inputs: HeadInputs, config: Any, shape: LossShape = PLAIN, /
    ) -> Tensor: ...


class LabelClasses(NamedTuple):
    """The classes of a training set, as strategies against imbalance need them."""

    label_counts: np.ndarray | None = None
    """[labels]: training examples, words, or positive examples with each label; None for a head without labels."""
    classes: np.ndarray | None = None
    """[n]: class of each example; None where an example has no single class."""
    n_targets_per_label: int = 0
    """Only where every example is a target of every label."""


@dataclass(frozen=True)
class Head:
    """The parts of one head; `config` is always its section of the study."""

    pipeline: str
    """Task of the transformers pipeline that MLflow loads."""
    build: Build
    head_inputs: MakeInputs
    head_forward: Callable[[PreTrainedModel, Any, HeadInputs], HeadForward | None]
    """The part of the model behind the encoder; None for a family whose parts are unknown, which runs as a whole."""
    loss_sum: LossSum
    outputs: Outputs
    predictions: Callable[[pa.Table, Sequence[Any]], pa.Table]
    """From the targets that the alignment stores and the rows of all examples to the table of predictions."""
    own_logits: Callable[[Any], Tensor] = lambda output: output.logits
    """From the output of the whole model to logits [windows, …]."""
    global_tokens: GlobalTokens = "none"
    """Tokens that attend to all others, in a family that has such."""
    keeps_states: bool = False
    """The states of a frozen encoder are computed once: they are the same in every epoch, and few enough to be kept."""
    reads_all_tokens: Callable[[Any, Any], bool] = lambda model, config: False
    """Whether this model's head reads all tokens where `head_inputs` names first ones only."""
    take_from_train: Callable[[Any, TokenisedSplit, Any], None] | None = None
    """What a new model takes from the training set before the first step; the last argument is the configuration."""
    classes: Callable[[TokenisedSplit, int], LabelClasses] = lambda split, n_labels: LabelClasses()
    """From the training set and the number of labels to its classes."""
    extra_parts: Mapping[str, type[ExtraPart]] = field(default_factory=dict)
    """Name → class of every part that a configuration of this head can have beside what transformers knows."""
    answer_outputs: Outputs | None = None
    """`outputs` for new examples, where `bertft predict` shows more than a run stores."""
    answer_predictions: Callable[[pa.Table, Sequence[Any]], pa.Table] | None = None


def load(
    auto_class: Any, encoder_dir: str, dropout: float | None, labels: Sequence[str] = (), *, init: str, **settings: Any
) -> PreTrainedModel:
    """The model of `auto_class` in fp32 on the CPU, its head drawn from torch's global generator.

    `dropout` overrides every dropout of the model; None keeps the checkpoint's. `init` is that of the head's configuration: with
    any other than `seed` a head of the checkpoint is loaded too. `settings` go into the model's config.
    """
    config = AutoConfig.from_pretrained(encoder_dir, trust_remote_code=False, local_files_only=True)
    if labels:
        config.id2label = dict(enumerate(labels))  # also sets num_labels
        config.label2id = {label: i for i, label in enumerate(labels)}
    for name, value in settings.items():
        setattr(config, name, value)
    if dropout is not None:
        _set_dropout(config, dropout)
    how: dict[str, Any] = {
        "dtype": torch.float32,  # the default is the checkpoint's, which may be bf16
        "use_safetensors": True,
        "trust_remote_code": False,
        "local_files_only": True,
    }
    with unwritten_memory_is_nan():
        if init == "seed":
            model = with_new_head(auto_class, config, encoder_dir, **how)
        else:
            model = auto_class.from_pretrained(encoder_dir, config=config, **how)
    zero_unwritten_biases(model)
    use_attention(model, sparse=False)  # strategies see the dropout that dense attention has
    return model


def _set_dropout(config: Any, value: float) -> None:
    for name, old in config.to_dict().items():
        if "drop" in name and (old is None or isinstance(old, int | float)) and not isinstance(old, bool):
            setattr(config, name, value)
