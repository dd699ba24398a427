"""Findings about label names: names that a reader takes for the same one, and columns that look like another task's."""

from collections import Counter
from collections.abc import Iterator, Mapping

from bertft_core.data.data_findings import N_SHOWN, PreparedData
from bertft_core.data.examples import shorten
from bertft_core.data.label_shapes import are_a_measure, look_alikes, number_of, separator_of
from bertft_core.records import DataFinding

MAX_SHARE_OF_LABELS = 0.5
"""With more labels than this share of the training examples, the column holds ids or texts rather than labels."""
BOOLEANS = frozenset({"true", "false"})
FEWEST_MANY = 5
"""Labels; fewer than this are never many."""


def find_look_alikes(data: PreparedData) -> Iterator[DataFinding]:
    """Training labels that are one to a reader and several to the model."""
    counts = _counts(data)
    groups = look_alikes(list(counts))
    if groups:
        yield DataFinding(
            check="look_alike_labels",
            split="train",
            count=sum(map(len, groups)),
            examples=tuple(" and ".join(_shown(name, counts) for name in group) for group in groups[:N_SHOWN]),
        )


def find_many_labels(data: PreparedData) -> Iterator[DataFinding]:
    """Almost as many labels as examples: there is nothing to learn from."""
    counts, n = _counts(data), len(data.raw["train"].examples)
    if len(counts) >= FEWEST_MANY and len(counts) > MAX_SHARE_OF_LABELS * n:
        yield DataFinding(check="many_labels", split="train", count=len(counts), numbers={"n_examples": n})


def find_mixed_labels(data: PreparedData) -> Iterator[DataFinding]:
    """A few names among numbers, such as `one` among 0 and 1, or booleans beside them: most likely errors."""
    counts = _counts(data)
    names = [label for label in counts if number_of(label) is None]
    numbers = counts.keys() - set(names)
    if 0 < len(names) < len(numbers) or (numbers and BOOLEANS.issuperset(names) and names):
        shown = tuple(_shown(name, counts) for name in names[:N_SHOWN])
        yield DataFinding(
            check="mixed_labels", split="train", count=len(names), numbers={"n_labels": len(counts)}, examples=shown
        )


def find_other_task(data: PreparedData) -> Iterator[DataFinding]:
    """Classes that look like a measure (regression) or like several labels in one cell (multi_label)."""
    counts = _counts(data)
    numbers = [number_of(label) for label in counts]
    measured = [number for number in numbers if number is not None]
    if len(measured) == len(numbers) and are_a_measure(measured):
        yield DataFinding(check="numbers_as_labels", split="train", count=len(counts))
    separator = separator_of(counts)
    if separator is not None:
        joined = [label for label in counts if separator in label]
        shown = tuple(_shown(label, counts) for label in joined[:N_SHOWN])
        yield DataFinding(check="joined_labels", split="train", count=len(joined), names=(separator,), examples=shown)


def _counts(data: PreparedData) -> Counter[str]:
    return Counter(name for example in data.raw["train"].examples for name in example.label_names)


def _shown(label: str, counts: Mapping[str, int]) -> str:
    """The label, with characters that look alike or are invisible made visible, and how often it occurs."""
    spelled = "" if label.isascii() else f" {shorten(label, 40)!a}"
    return f"'{shorten(label, 40)}'{spelled} ({counts[label]})"


NAMES_CHECKS = (find_look_alikes, find_many_labels, find_mixed_labels)
"""Checks of every head with named labels."""
