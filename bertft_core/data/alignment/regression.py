"""Regression: a text or a pair of texts with a number."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from bertft_core.config import UserError
from bertft_core.config.data_settings import DataConfig
from bertft_core.data import data_findings
from bertft_core.data.alignment.alignment import Agreed
from bertft_core.data.alignment.texts import text_alignment, tokenise_texts
from bertft_core.data.data_findings import PreparedData
from bertft_core.data.examples import Example, RawSplit, SourceLocation, as_found
from bertft_core.records import DataFinding

MAX_IQRS = 5.0
"""A target further than this many interquartile ranges beyond the quartiles of train is an outlier."""

LARGEST = float(np.finfo(np.float32).max)
"""Models compute in single precision."""

FEWEST_STEPS = 50
"""Numbers that single precision must resolve within a standard deviation of the targets; with fewer, ranks and errors blur."""


def _read_label(cell: object, data: DataConfig, place: SourceLocation) -> float:
    return number_of(cell, str(data.label), place)


def number_of(value: object, column: str, place: SourceLocation) -> float:
    """A finite number of at most `LARGEST`, or a text with one: digits with a decimal point, as Python and JSON write it."""
    number = math.nan
    if isinstance(value, str) and "_" not in value:  # Python reads 1_000 as a number, no data file does
        with contextlib.suppress(ValueError):
            number = float(value)
    elif isinstance(value, Decimal):
        number = float(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value) if abs(value) < 1e300 else math.inf  # an int may be longer than any float
    if abs(number) <= LARGEST:
        return number
    missing = value is None or (isinstance(value, str) and not value.strip())
    raise UserError(
        f"the number in column '{column}' is missing" if missing else f"the value in column '{column}' is not a finite number",
        code="target.not-a-number",
        path=place.path,
        line=place.line,
        found=as_found(value),
        expected="a number such as 3, -0.5 or 2e3",
        hint="correct it or remove the example; for names instead of numbers, set head: classification",
    )


def agree(splits: Mapping[str, RawSplit], data: DataConfig) -> Agreed:
    """No labels; raises `UserError` when the training numbers are all equal, or indistinguishable in single precision."""
    train = splits["train"]
    if len({example.label for example in train.examples}) == 1:
        raise UserError(
            "all training numbers are equal",
            code="target.constant",
            path=train.path,
            line=train.examples[0].line,
            found=f"all {len(train.examples)} examples have {train.examples[0].label}",
            expected="examples with different numbers",
            hint="check data.label, or add examples with another number",
        )
    _refuse_blurred(train)
    return dict(splits), (), ()


def _refuse_blurred(train: RawSplit) -> None:
    """A model answers in the units of the targets, in single precision: far from 0 it cannot resolve close targets."""
    targets = _targets(train.examples)
    largest, spread = float(np.abs(targets).max()), float(targets.std())
    step = float(np.spacing(np.nextafter(np.float32(largest), np.float32(0))))  # also for the largest float
    if spread < FEWEST_STEPS * step:
        raise UserError(
            "the numbers of the training set differ too little for their size",
            code="target.nearly-constant",
            path=train.path,
            line=train.examples[0].line,
            found=f"a standard deviation of {spread:.3g}; at {largest:.6g} single precision has steps of {step:.3g}",
            expected=f"a standard deviation of at least {FEWEST_STEPS} such steps",
            hint="subtract a constant such as the mean from the column, or give it in another unit",
        )


def tokenise(tokenizer: Any, examples: Sequence[Example], labels: tuple[str, ...], data: DataConfig, types: bool) -> pa.Table:
    """`label` is the number, NaN where an example is not labelled."""
    return tokenise_texts(tokenizer, examples, data, types, pa.array(_targets(examples)))


def find_beyond_train(data: PreparedData) -> Iterator[DataFinding]:
    """Numbers to predict outside the range of train."""
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
                examples=data_findings.places(split, (split.examples[i] for i in outside)),
            )


def find_constant_targets(data: PreparedData) -> Iterator[DataFinding]:
    """A set to be scored on whose numbers are all equal: nothing correlates with it."""
    for name, split in data.raw.items():
        targets = _targets(split.examples)
        if name != "train" and targets.min() == targets.max():
            numbers = {"value": float(targets[0])}
            yield DataFinding(check="constant_numbers", split=name, count=len(targets), numbers=numbers)


def find_outliers(data: PreparedData) -> Iterator[DataFinding]:
    """Numbers so far from the others that their squared errors dominate: typing errors, or another unit."""
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
                examples=data_findings.places(split, (split.examples[i] for i in far)),
            )


def _targets(examples: Sequence[Example]) -> np.ndarray:
    """float64 [n], NaN where an example is not labelled."""
    return np.array([example.label if isinstance(example.label, float) else math.nan for example in examples], np.float64)


ALIGNMENT = text_alignment(_read_label, tokenise, (find_beyond_train, find_constant_targets, find_outliers), agree=agree)
