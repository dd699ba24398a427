"""Examples with the same text, up to case, white space and punctuation, and different targets."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bertft_core.data.prepared_split import PreparedSplit

NO_WORD = re.compile(r"[\W_]+")
FAR_APART = 1.0
"""Numbers of the same text conflict if they differ by at least this many standard deviations of the training set."""


class ConflictMember(NamedTuple):
    """One of the examples with the same text."""

    split: str
    texts: tuple[str, ...]
    target: Any


class LabelConflict(NamedTuple):
    """Examples of one text with different targets."""

    members: tuple[ConflictMember, ...]

    @property
    def is_exact(self) -> bool:
        """Whether two of them have the same text to the letter and different targets."""
        return any(a.texts == b.texts and a.target != b.target for a in self.members for b in self.members)

    @property
    def across_splits(self) -> bool:
        return len({member.split for member in self.members}) > 1


def _lists(column: str) -> Callable[[PreparedSplit], list[Any]]:
    return lambda split: [tuple(row) for row in split.table[column].to_pylist()]


TARGETS: dict[str, Callable[[PreparedSplit], list[Any]]] = {
    "classification": lambda split: split.labels.tolist(),
    "multi_label": _lists("label"),
    "regression": lambda split: split.values("label").tolist(),
    "token_classification": _lists("tags"),
}
"""Head → the target of each example; questions may have several right answers, and raw text has none."""


def find_conflicts(splits: Mapping[str, PreparedSplit], kind: str) -> list[LabelConflict]:
    """Every group of the same text whose targets differ, the largest first; none for a head that is not in `TARGETS`."""
    if kind not in TARGETS:
        return []
    groups: dict[tuple[str, ...], list[ConflictMember]] = {}
    for name, split in splits.items():
        for i, target in enumerate(TARGETS[kind](split)):
            texts = split.texts(i)
            groups.setdefault(tuple(_key(text) for text in texts), []).append(ConflictMember(name, texts, target))
    differ = _difference_test(splits, kind)
    found = [LabelConflict(tuple(members)) for key, members in groups.items() if any(key) and differ([m.target for m in members])]
    return sorted(found, key=lambda conflict: -len(conflict.members))


def _key(text: str) -> str:
    return NO_WORD.sub(" ", text.casefold()).strip()


def _difference_test(splits: Mapping[str, PreparedSplit], kind: str) -> Callable[[Sequence[Any]], bool]:
    """Whether targets of one text differ; numbers may differ a little."""
    if kind != "regression" or "train" not in splits:
        return lambda targets: len(set(targets)) > 1
    limit = FAR_APART * float(np.std(TARGETS[kind](splits["train"])))
    return lambda targets: len(targets) > 1 and max(targets) - min(targets) >= limit > 0
