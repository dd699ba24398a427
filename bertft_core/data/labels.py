"""Which labels there are, in which order, and that every split can be learned from or scored with them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bertft_core.config import UserError
from bertft_core.data.examples import Example, RawSplit, did_you_mean

WHOLE_NUMBER = re.compile(r"-?\d+")


def agree_on_labels(splits: Mapping[str, RawSplit], given: tuple[str, ...] | None) -> tuple[str, ...]:
    """The label names in order: those given, else the training set's, sorted (as numbers when all are whole numbers).

    Raises `UserError` with file and line for a label that is not among those given, for one that the training set lacks,
    and when the training set has one label only.
    """
    train = splits["train"]
    learned = train.label_counts
    if given is not None:
        for split in splits.values():
            _refuse_unknown(split, given)
    if len(learned) < 2:
        raise UserError(
            "the training set has one label only",
            path=train.path,
            line=train.examples[0].line,
            found=f"all {len(train.examples)} examples are '{train.examples[0].stratum}'",
            expected="examples of at least two labels",
            todo="check data.label, or add examples of another label",
        )
    for name, split in splits.items():
        _refuse_unlearned(name, split, train)
    return given or tuple(sorted(learned, key=_order(learned)))


def _order(labels: Mapping[str, int]):
    if all(WHOLE_NUMBER.fullmatch(label) for label in labels):
        return lambda label: (int(label), label)
    return lambda label: (0, label)


def _first(split: RawSplit, known) -> Example | None:
    return next((example for example in split.examples if example.stratum not in known), None)


def _refuse_unknown(split: RawSplit, given: tuple[str, ...]) -> None:
    example = _first(split, given)
    if example is not None:
        raise UserError(
            f"the label '{example.stratum}' is unknown",
            path=split.path,
            line=example.line,
            found=example.stratum,
            expected=f"one of {', '.join(given)}",
            todo=did_you_mean(example.stratum, given) or "correct the label, or add it to data.labels",
        )


def _refuse_unlearned(name: str, split: RawSplit, train: RawSplit) -> None:
    learned = train.label_counts
    example = _first(split, learned)
    if example is not None:
        raise UserError(
            f"the label '{example.stratum}' occurs in {name} but never in train",
            path=split.path,
            line=example.line,
            found=example.stratum,
            expected=f"one of the training labels {', '.join(sorted(learned, key=_order(learned)))}",
            todo=did_you_mean(example.stratum, learned) or f"add training examples of it, or take it out of {name}",
        )
