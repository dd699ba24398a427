"""Regression: a text or a pair of texts with a number."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data import findings
from bertft_core.data.alignment.texts import both_orders, read_text_example, text_columns, text_settings, tokenise_texts
from bertft_core.data.examples import Example, RawSplit, ReadExample, SourceLocation, shorten
from bertft_core.data.findings import Check, PreparedData
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.records import DataFinding

MAX_IQRS = 5.0
"""How many interquartile ranges of train a target may lie beyond its quartiles."""

LARGEST = float(np.finfo(np.float32).max)
"""Models compute in single precision."""

FEWEST_STEPS = 50
"""Numbers that single precision must tell apart within a standard deviation of the targets: fewer blur errors and ranks."""


def columns(data: DataConfig) -> tuple[str, ...]:
    """Text or texts, then the number."""
    return (*text_columns(data), data.label)


def reader(data: DataConfig, labelled: bool = True) -> ReadExample:
    """Reads a row into an example, labelled or not."""

    def read_example(name: str, cells: tuple[object, ...], place: SourceLocation) -> Example:
        label = number_of(cells[-1], data.label, place) if labelled else None
        return read_text_example(name, cells, label, data, place)

    return read_example


def number_of(value: object, column: str, place: SourceLocation) -> float:
    """A cell that must be a finite number, or a text that is one: digits with a decimal point, as Python and JSON write it.

    A number beyond `LARGEST` is refused too.
    """
    number = math.nan
    if isinstance(value, str) and "_" not in value:  # Python takes 1_000 for a number, no file means it
        with contextlib.suppress(ValueError):
            number = float(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value) if abs(value) < 1e300 else math.inf  # an int may be longer than any float
    if abs(number) <= LARGEST:
        return number
    missing = value is None or (isinstance(value, str) and not value.strip())
    raise UserError(
        f"the number in column '{column}' is missing" if missing else f"the value in column '{column}' is no finite number",
        path=place.path,
        line=place.line,
        found=shorten(repr(value)),
        expected="a number such as 3, -0.5 or 2e3",
        hint="correct it or remove the example",
    )


def agree(
    splits: Mapping[str, RawSplit], data: DataConfig
) -> tuple[dict[str, RawSplit], tuple[str, ...], tuple[DataFinding, ...]]:
    """No labels; raises `UserError` when the numbers of the training set are all the same, or so to a model."""
    train = splits["train"]
    if len({example.label for example in train.examples}) == 1:
        raise UserError(
            "the training set has one number only",
            path=train.path,
            line=train.examples[0].line,
            found=f"all {len(train.examples)} examples have {train.examples[0].label}",
            expected="examples with different numbers",
            hint="check data.label, or add examples with another number",
        )
    _refuse_blurred(train)
    return dict(splits), (), ()


def _refuse_blurred(train: RawSplit) -> None:
    """A model answers in the targets' own units, in single precision: far from 0 it cannot tell close targets apart."""
    targets = _targets(train.examples)
    largest, spread = float(np.abs(targets).max()), float(targets.std())
    step = float(np.spacing(np.nextafter(np.float32(largest), np.float32(0))))  # also of the largest number there is
    if spread < FEWEST_STEPS * step:
        raise UserError(
            "the numbers of the training set differ too little for their size",
            path=train.path,
            line=train.examples[0].line,
            found=f"a standard deviation of {spread:.3g}; at {largest:.6g} single precision has steps of {step:.3g}",
            expected=f"a standard deviation of {FEWEST_STEPS} such steps or more",
            hint="subtract a constant such as the mean from the column, or give it in another unit",
        )


def for_training(splits: Mapping[str, RawSplit], data: DataConfig) -> dict[str, RawSplit]:
    """The splits as they are trained on and scored: pairs in both orders where the order means nothing."""
    return both_orders(splits, data)


def settings(data: DataConfig) -> dict[str, Any]:
    """What the stored table depends on, beside examples, tokenizer and max_length."""
    return text_settings(data)


def tokenise(tokenizer: Any, examples: Sequence[Example], labels: tuple[str, ...], data: DataConfig, types: bool) -> pa.Table:
    """`label` is the number, NaN where an example is not labelled."""
    return tokenise_texts(tokenizer, examples, data, types, pa.array(_targets(examples)))


def gold(split: PreparedSplit) -> pa.Table:
    """example_id and label."""
    return split.table.select(["example_id", "label"])


def counts(examples: Sequence[Example], labels: tuple[str, ...]) -> dict[str, int]:
    """Nothing: there are no labels to count."""
    return {}


def find_beyond_train(data: PreparedData) -> Iterator[DataFinding]:
    """Numbers to predict that lie outside those learned from."""
    learned = _targets(data.raw["train"].examples)
    low, high = learned.min(), learned.max()
    for name, split in data.raw.items():
        targets = _targets(split.examples)
        outside = np.flatnonzero((targets < low) | (targets > high))
        if len(outside):
            yield DataFinding(
                check="beyond_train",
                split=name,
                count=len(outside),
                numbers={
                    "n": len(targets),
                    "low": float(targets.min()),
                    "high": float(targets.max()),
                    "train_low": float(low),
                    "train_high": float(high),
                },
                examples=findings.places(split, (split.examples[i] for i in outside)),
            )


def find_constant_targets(data: PreparedData) -> Iterator[DataFinding]:
    """A set to be scored on with one number only: nothing correlates with it."""
    for name, split in data.raw.items():
        targets = _targets(split.examples)
        if name != "train" and targets.min() == targets.max():
            numbers = {"value": float(targets[0])}
            yield DataFinding(check="constant_numbers", split=name, count=len(targets), numbers=numbers)


def find_outliers(data: PreparedData) -> Iterator[DataFinding]:
    """Numbers so far from the others that their squared errors drown the rest: a slip of the pen, or another unit."""
    lower, upper = np.percentile(_targets(data.raw["train"].examples), [25, 75])
    margin = MAX_IQRS * (upper - lower)
    for name, split in data.raw.items():
        targets = _targets(split.examples)
        far = np.flatnonzero((targets < lower - margin) | (targets > upper + margin))
        if len(far) and margin > 0:
            yield DataFinding(
                check="outliers",
                split=name,
                count=len(far),
                numbers={"n": len(targets), "max_iqrs": MAX_IQRS, "lower": float(lower), "upper": float(upper)},
                examples=findings.places(split, (split.examples[i] for i in far)),
            )


CHECKS: tuple[Check, ...] = (
    findings.find_duplicates,
    findings.find_conflicts,
    findings.find_overlap,
    find_beyond_train,
    find_constant_targets,
    find_outliers,
    findings.find_truncated,
    findings.find_unknown_tokens,
    findings.find_very_short,
)


def _targets(examples: Sequence[Example]) -> np.ndarray:
    """float64 [n], NaN where an example is not labelled."""
    return np.array([example.label if isinstance(example.label, float) else math.nan for example in examples], np.float64)
