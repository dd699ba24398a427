"""When classes are so unequal that an arm with class weights is worth its time, and another metric is read."""

from __future__ import annotations

from typing import NamedTuple

from bertft_core.recipes.data_profile import DataProfile

OUTSIDE = "O"
MAX_RATIO: dict[str, float] = {"classification": 3.0, "multi_label": 10.0, "token_classification": 10.0}
"""Head → largest : smallest class from which on weights are tried; labels and tags are never equally frequent."""
MANY_CLASSES = 30
"""More classes than this always have rare ones; weights of a handful of examples are noise."""


class Imbalance(NamedTuple):
    """Classes of very different size."""

    largest: str
    n_largest: int
    smallest: str
    n_smallest: int

    @property
    def words(self) -> str:
        """The two ends."""
        return f"'{self.largest}' has {self.n_largest} training examples, '{self.smallest}' {self.n_smallest}"


def imbalance_of(facts: DataProfile) -> Imbalance | None:
    """The ends of an unbalanced set; None for a balanced one and where weights mean nothing (numbers, spans, raw text, a CRF).

    For tags the O is left out, and entity types are counted over their tags. Plain tags, such as parts of speech, are never
    equally frequent and are not weighed.
    """
    limit = MAX_RATIO.get(facts.head)
    counts = _types(facts.label_counts) if facts.head == "token_classification" else facts.label_counts
    if limit is None or facts.crf or facts.plain_tags or not 2 <= len(counts) <= MANY_CLASSES:
        return None
    largest, smallest = max(counts, key=lambda label: counts[label]), min(counts, key=lambda label: counts[label])
    if counts[largest] <= limit * counts[smallest]:
        return None
    return Imbalance(largest, counts[largest], smallest, counts[smallest])


def _types(tags: dict[str, int]) -> dict[str, int]:
    """Entity type → words."""
    counts: dict[str, int] = {}
    for tag, n in tags.items():
        if tag != OUTSIDE:
            name = tag.partition("-")[2]
            counts[name] = counts.get(name, 0) + n
    return counts
