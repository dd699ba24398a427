"""Entities in rows of tags such as B-PER I-PER O, read as conlleval does and strictly.

Both readings split a sentence into the same runs. A word continues the run before it when it is I- or E-, the word before is
B- or I-, and both have one type; every other word that is not O begins a run. conlleval (and seqeval by default) takes every
run for an entity. The strict reading takes only runs that the scheme allows: in IOB2 those that begin with B-, in IOBES those
from B- to E- and single S-.
Source: conlleval and seqeval 1.2.2 (`mode="strict"`); the definitions here are declarative, theirs walk a state machine.
"""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bertft_core.metrics.precision_recall import Bools, Ints

OUTSIDE = "O"
_TAG = re.compile(r"([BIES])(?:-(.+))?", re.DOTALL)


class TagSet(NamedTuple):
    """What each label id means: its prefix (B, I, E, S or O) [labels] and its type [labels], len(types) for O."""

    prefixes: NDArray[np.str_]
    type_ids: Ints
    types: tuple[str, ...]

    @property
    def has_strict_reading(self) -> bool:
        """Whether the labels have more than I-: the scheme IO has no strict reading."""
        return bool(np.isin(self.prefixes, ("B", "S")).any())


class EntitySpans(NamedTuple):
    """Entities in order of their first words: positions of the first and last word and the type, each [entities]."""

    first: Ints
    last: Ints
    type_ids: Ints


def tag_set(labels: tuple[str, ...]) -> TagSet | None:
    """The meaning of `labels`, types in order of appearance; None for plain tags, such as parts of speech.

    Labels are entity tags when each is O or B, I, E, S, alone (type `_`) or with a type after a hyphen, and one is not O.
    """
    parts = [_TAG.fullmatch(label) for label in labels]
    if not any(parts) or any(part is None and label != OUTSIDE for part, label in zip(parts, labels, strict=True)):
        return None
    names = [part and (part[2] or "_") for part in parts]
    types = tuple(dict.fromkeys(name for name in names if name))
    type_ids = [types.index(name) if name else len(types) for name in names]
    return TagSet(np.array([part[1] if part else OUTSIDE for part in parts]), np.array(type_ids), types)


def entity_spans(ids: Ints, lengths: Ints, tags: TagSet, *, strict: bool = False) -> EntitySpans:
    """The entities of many sentences at once.

    `ids` [words] label ids of all sentences in a row, `lengths` [sentences] how many words each has; no entity crosses the
    end of a sentence. Positions count from the first word of all.
    """
    prefix, kind = tags.prefixes[ids], tags.type_ids[ids]
    inside = prefix != OUTSIDE
    joined = np.zeros(len(ids), dtype=bool)
    joined[1:] = np.isin(prefix[1:], ("I", "E")) & np.isin(prefix[:-1], ("B", "I")) & (kind[1:] == kind[:-1])
    ends = np.cumsum(lengths)
    joined[ends[ends < len(ids)]] = False
    first = np.flatnonzero(inside & ~joined)
    last = np.flatnonzero(inside & ~np.append(joined[1:], False))
    if strict:
        allowed = _allowed(prefix[first], prefix[last], tags)
        first, last = first[allowed], last[allowed]
    return EntitySpans(first, last, kind[first])


def matches(gold: EntitySpans, predicted: EntitySpans, n_types: int) -> tuple[Ints, Ints, Ints]:
    """Entities found, true and predicted, each [types]; found means the same words and the same type."""
    kinds = (gold.type_ids[found_in(gold, predicted)], gold.type_ids, predicted.type_ids)
    hits, true, answered = (np.bincount(kind, minlength=n_types) for kind in kinds)
    return hits, true, answered


def found_in(gold: EntitySpans, predicted: EntitySpans) -> Ints:
    """Positions in `gold` of the entities that `predicted` has too, same words and same type."""
    _, g, p = np.intersect1d(gold.first, predicted.first, assume_unique=True, return_indices=True)
    return g[(gold.last[g] == predicted.last[p]) & (gold.type_ids[g] == predicted.type_ids[p])]


def _allowed(first: NDArray[np.str_], last: NDArray[np.str_], tags: TagSet) -> Bools:
    if np.isin(tags.prefixes, ("E", "S")).any():
        return ((first == "B") & (last == "E")) | (first == "S")
    return first == "B"
