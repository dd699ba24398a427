"""When classes are so unequal that an arm with class weights, and another metric, are worth trying."""

from collections import Counter
from typing import NamedTuple

from bertft_core.recipes.data_profile import DataProfile

OUTSIDE = "O"
MAX_RATIO: dict[str, float] = {"classification": 3.0, "multi_label": 10.0, "token_classification": 10.0}
"""Head → largest : smallest class above which weights are tried; labels and tags are never equally frequent."""
MANY_CLASSES = 30
"""More classes than this always include rare ones, and weights from a handful of examples are noise."""


class Imbalance(NamedTuple):
    """The largest and the smallest class, with their training examples."""

    largest: str
    n_largest: int
    smallest: str
    n_smallest: int


def imbalance_of(profile: DataProfile) -> Imbalance | None:
    """The extremes of an unbalanced set; None for a balanced one and for heads without class weights (and a CRF).

    Of tags, O is left out and entity types are counted over their tags. Plain tags, such as parts of speech, are never equally
    frequent and are not weighted.
    """
    limit = MAX_RATIO.get(profile.head)
    counts = _entity_types(profile.label_counts) if profile.head == "token_classification" else profile.label_counts
    if limit is None or profile.crf or profile.plain_tags or not 2 <= len(counts) <= MANY_CLASSES:
        return None
    largest, smallest = max(counts, key=lambda label: counts[label]), min(counts, key=lambda label: counts[label])
    if counts[largest] <= limit * counts[smallest]:
        return None
    return Imbalance(largest, counts[largest], smallest, counts[smallest])


def _entity_types(tags: dict[str, int]) -> dict[str, int]:
    """Entity type → words."""
    counts: Counter[str] = Counter()
    for tag, n in tags.items():
        if tag != OUTSIDE:
            counts[tag.partition("-")[2]] += n
    return counts
