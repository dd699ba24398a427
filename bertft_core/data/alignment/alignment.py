"""What an alignment consists of: how the examples of one task type become what its head learns from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from bertft_core.config.data_settings import DataConfig
from bertft_core.data.data_findings import Check
from bertft_core.data.examples import Example, RawSplit, ReadExample
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.records import DataFinding

Agreed = tuple[dict[str, RawSplit], tuple[str, ...], tuple[DataFinding, ...]]
"""The splits, repaired or converted; the labels in order; what was found on the way."""


Fitted = tuple[dict[str, RawSplit], tuple[DataFinding, ...]]
"""The splits as the tokenizer can read them, and what was changed."""


class MakeReader(Protocol):
    """What reads the cells of a row into an example; new examples (`labelled=False`) have None in place of their label."""

    def __call__(self, data: DataConfig, labelled: bool = True) -> ReadExample: ...


class Tokenise(Protocol):
    """The Arrow table of some examples. A missing label is stored as any value of the right type (-1, 0, NaN, nothing).

    `types`: the model reads token types. Raises `UserError` with the line of an example; the caller knows the file.
    """

    def __call__(
        self, tokenizer: Any, examples: Sequence[Example], labels: tuple[str, ...], data: DataConfig, types: bool, /
    ) -> pa.Table: ...


def without_labels(splits: Mapping[str, RawSplit], data: DataConfig) -> Agreed:
    """The splits as they are, and no labels."""
    return dict(splits), (), ()


def example_labels(split: PreparedSplit) -> pa.Table:
    """example_id and label."""
    return split.table.select(["example_id", "label"])


@dataclass(frozen=True)
class Alignment:
    """The parts of one alignment."""

    columns: Callable[[DataConfig], tuple[str, ...]]
    """Columns of the source, in the order of the cells that `reader` gets."""
    reader: MakeReader
    tokenise: Tokenise
    checks: tuple[Check, ...]
    """What is looked for in the prepared data."""
    agree: Callable[[Mapping[str, RawSplit], DataConfig], Agreed] = without_labels
    """Labels that all splits can be learned and scored with. Raises `UserError` with file and line where there are none."""
    for_training: Callable[[Mapping[str, RawSplit], DataConfig], dict[str, RawSplit]] = lambda splits, data: dict(splits)
    """The splits as they are trained on and scored."""
    fit: Callable[[Mapping[str, RawSplit], DataConfig, Callable[[], Any]], Fitted] = lambda splits, data, load: (dict(splits), ())
    """The splits with what the tokenizer makes too long shortened or left out, and what was; it is loaded only if asked for."""
    settings: Callable[[DataConfig], dict[str, Any]] = lambda data: {}
    """What the stored table depends on, apart from examples, labels, tokenizer and max_length."""
    gold: Callable[[PreparedSplit], pa.Table] = example_labels
    """The targets of a tokenised split, as the metrics read them."""
    counts: Callable[[Sequence[Example], tuple[str, ...]], dict[str, int]] = lambda examples, labels: {}
    """Label → number of examples, words or questions with it."""
    tokenise_new: Tokenise | None = None
    """`tokenise` for examples to predict, where that differs."""
    answer_names: Callable[[Any, tuple[str, ...]], Sequence[str]] = lambda tokenizer, labels: labels
    """What an answer is chosen from: the labels, or tokens of the tokenizer."""
