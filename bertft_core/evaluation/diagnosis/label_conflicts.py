"""Examples with the same text, or the same but for case, white space and punctuation, that are to be answered differently."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bertft_core.data.examples import shorten
from bertft_core.data.prepared_split import PreparedSplit

NO_WORD = re.compile(r"[\W_]+")
FAR_APART = 1.0
"""Numbers of the same text conflict from this many standard deviations of the training set on."""


class Member(NamedTuple):
    """An example in a group of the same text."""

    split: str
    texts: tuple[str, ...]
    target: Any


class Conflict(NamedTuple):
    """Examples of one text with different targets."""

    members: tuple[Member, ...]

    @property
    def same_to_the_letter(self) -> bool:
        """Not even case or punctuation differ between some two that are answered differently."""
        return any(a.texts == b.texts and a.target != b.target for a in self.members for b in self.members)

    @property
    def across_splits(self) -> bool:
        return len({member.split for member in self.members}) > 1

    def told(self, name_of: Callable[[Any], str]) -> str:
        """The text, and what it is to be answered with in which split."""
        shown = dict.fromkeys(f"{name_of(member.target)} ({member.split})" for member in self.members)
        return f"“{shorten(' ‖ '.join(self.members[0].texts), 60)}” is {', '.join(list(shown)[:4])}"


def _labels(split: PreparedSplit) -> list[Any]:
    return split.labels.tolist()  # type: ignore[no-any-return]


def _lists(column: str) -> Callable[[PreparedSplit], list[Any]]:
    return lambda split: [tuple(row) for row in split.table[column].to_pylist()]


TARGETS: dict[str, Callable[[PreparedSplit], list[Any]]] = {
    "classification": _labels,
    "multi_label": _lists("label"),
    "regression": lambda split: split.values("label").tolist(),
    "token_classification": _lists("tags"),
}
"""Head → what is to be answered for each example; questions have several right answers, and raw text has none."""


def find_conflicts(splits: Mapping[str, PreparedSplit], kind: str) -> list[Conflict]:
    """Every group of the same text whose targets differ, the largest first; none for a head that is not in `TARGETS`."""
    if kind not in TARGETS:
        return []
    groups: dict[tuple[str, ...], list[Member]] = {}
    for name, split in splits.items():
        for i, target in enumerate(TARGETS[kind](split)):
            texts = split.texts(i)
            groups.setdefault(tuple(_key(text) for text in texts), []).append(Member(name, texts, target))
    far = _farness(splits, kind)
    found = [Conflict(tuple(members)) for key, members in groups.items() if any(key) and far([m.target for m in members])]
    return sorted(found, key=lambda conflict: -len(conflict.members))


def _key(text: str) -> str:
    return NO_WORD.sub(" ", text.casefold()).strip()


def _farness(splits: Mapping[str, PreparedSplit], kind: str) -> Callable[[Sequence[Any]], bool]:
    """Whether targets of one text differ; numbers may differ a little."""
    if kind != "regression" or "train" not in splits:
        return lambda targets: len(set(targets)) > 1
    limit = FAR_APART * float(np.std(TARGETS[kind](splits["train"])))
    return lambda targets: len(targets) > 1 and max(targets) - min(targets) >= limit > 0
