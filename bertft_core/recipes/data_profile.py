"""The inputs of the rules: size, task, lengths, balance, encoder and machine, as plain numbers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bertft_core.config.base import Frozen
from bertft_core.config.encoder_families import most_tokens
from bertft_core.config.split_designs import SplitsOfDesign


class EncoderProfile(Frozen):
    """The pre-trained encoder by its config.json."""

    checkpoint: str
    n_layers: int
    hidden_size: int
    n_heads: int
    n_parameters: int
    """Of the weights on disk."""
    max_length: int | None
    """Longest input in tokens, including special tokens; None where there is no limit."""


def encoder_profile(settings: Mapping[str, Any], checkpoint: str, n_parameters: int) -> EncoderProfile:
    """From a config.json, by the names that BERT and its family use."""
    return EncoderProfile(
        checkpoint=checkpoint,
        n_layers=settings.get("num_hidden_layers", settings.get("n_layers", 12)),
        hidden_size=settings.get("hidden_size", settings.get("dim", 768)),
        n_heads=settings.get("num_attention_heads", settings.get("n_heads", 12)),
        n_parameters=n_parameters,
        max_length=most_tokens(dict(settings)),
    )


class Machine(Frozen):
    """Where the study is to run."""

    n_gpus: int
    gpu_name: str | None = None
    has_bf16: bool = False
    """The GPU multiplies bfloat16 in hardware (compute capability 8.0 or higher)."""
    memory_bytes: int
    """Memory for one run: of a GPU, or of the machine divided by the number of runs at once."""
    n_slots: int
    """Runs at once."""


class Lengths(Frozen):
    """Input lengths of the training set in tokens, including special tokens, before truncation."""

    n_measured: int
    mean: float
    median: int
    p90: int
    p99: int
    longest: int
    quantiles: tuple[int, ...]
    """101 of them: at 0 %, 1 %, …, 100 % of the inputs."""

    def share_over(self, max_length: int) -> float:
        """About what share of the inputs is longer, in whole percents."""
        return sum(length > max_length for length in self.quantiles[1:]) / 100


class DataProfile(Frozen):
    """Everything the advice depends on."""

    head: str
    """Kind of the head."""
    crf: bool = False
    is_pair: bool = False
    plain_tags: bool = False
    """Tags that mark no entities, such as parts of speech."""
    n_train: int
    """Examples in the training set, after other splits were taken from it; of a split design, in that of its first split."""
    n_examples: int
    """Of the training file, before anything was taken from it."""
    cuts_validation: bool = False
    """There is no validation set but what is taken from the training file."""
    splits: SplitsOfDesign | None = None
    """Of a split design, how its splits are drawn."""
    n_validation: int
    has_test: bool
    label_counts: dict[str, int] = {}
    """Label → training examples, or words for tags; empty where there are no labels."""
    longest_question: int | None = None
    """Tokens; None for other heads."""
    lengths: Lengths
    encoder: EncoderProfile
    machine: Machine


class ArmSteps(NamedTuple):
    """Arms that train for the same number of optimizer steps."""

    arms: tuple[str, ...]
    n_steps: int
    n_warmup: int
    epochs: float | None
    """None where the number of steps was given."""
    batch_size: int
