"""Label names, their order, and checks that every split can be trained on or scored with them."""

import re
from collections import Counter
from collections.abc import Callable, Container, Mapping
from decimal import Decimal

from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.data.examples import RawSplit, shorten

WHOLE_NUMBER = re.compile(r"-?\d+")


def agree_on_labels(splits: Mapping[str, RawSplit], given: tuple[str, ...] | None) -> tuple[str, ...]:
    """The label names in order: those given, else the training set's, sorted (as numbers if all are integers).

    An example has one label, or any number of labels or tags. Raises `UserError` with file and line for a label that is not
    among those given, for one that does not occur in the training set, and for a training set with fewer than two labels.
    """
    train = splits["train"]
    learned = Counter(name for example in train.examples for name in example.label_names)
    if given is not None:
        for split in splits.values():
            _refuse_unknown(split, given)
    if len(learned) < 2:
        raise _too_few_labels(train, learned)
    for name, split in splits.items():
        _refuse_unlearned(name, split, learned)
    return given or tuple(sorted(learned, key=_order(learned)))


def _order(labels: Mapping[str, int]) -> Callable[[str], tuple[Decimal, str]]:
    if all(WHOLE_NUMBER.fullmatch(label) for label in labels):
        return lambda label: (Decimal(label), label)  # an int may have no more than 4,300 digits
    return lambda label: (Decimal(0), label)


def _too_few_labels(train: RawSplit, learned: Mapping[str, int]) -> UserError:
    n, (label, count) = len(train.examples), next(iter(learned.items()), ("", 0))
    alone = f"all {n} examples are '{label}'" if count == n else f"{count} of {n} examples have '{label}'"
    return UserError(
        "the training set has only one label" if learned else "the training set has no labels",
        code="labels.one-only",
        path=train.path,
        line=train.examples[0].line,
        found=alone if learned else f"{n} examples without labels",
        expected="examples of at least two labels",
        hint="check data.label, or add examples of another label",
    )


def _first(split: RawSplit, known: Container[str]) -> tuple[str, int] | None:
    """The first unknown label and its line."""
    for example in split.examples:
        for position, name in enumerate(example.label_names):
            if name not in known:
                return name, example.lines[position] if example.lines else example.line
    return None


def _refuse_unknown(split: RawSplit, given: tuple[str, ...]) -> None:
    first = _first(split, given)
    if first is not None:
        label, line = first
        raise UserError(
            f"unknown label '{label}'",
            code="label.unknown",
            path=split.path,
            line=line,
            found=label,
            expected=f"one of {shorten(', '.join(given), 200)}",
            hint=did_you_mean(label, given) or "correct the label, or add it to data.labels",
        )


def _refuse_unlearned(name: str, split: RawSplit, learned: Mapping[str, int]) -> None:
    first = _first(split, learned)
    if first is not None:
        label, line = first
        raise UserError(
            f"the label '{label}' occurs in {name} but never in train",
            code="label.not-in-train",
            path=split.path,
            line=line,
            found=label,
            expected=f"one of the training labels {shorten(', '.join(sorted(learned, key=_order(learned))), 200)}",
            hint=did_you_mean(label, learned) or f"add training examples of it, or remove it from {name}",
        )
