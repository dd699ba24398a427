"""Tag schemes: entities written as one tag per word in IOB1, IOB2, IOBES or IO, read, checked, repaired and converted.

Source:   Ramshaw & Marcus 1995 (IOB1), Tjong Kim Sang & Veenstra 1999 (IOB2, IOE); invalid sequences are read as the `conlleval`
          script of CoNLL-2000 reads them.
Schemes:  iob1   I-X inside; B-X only where an entity begins right behind another one of the same type
          iob2   B-X on the first word, I-X on the others
          iobes  B-X, I-X, E-X on the last word, S-X on the only one; L is read as E and U as S (BILOU), never written
          io     I-X on every word; neighbouring entities of one type become one
          plain  tags without structure (part of speech): any tag that is not empty, no entities
Limits:   a tag is split at its first '-', so a type may hold '-'. In each scheme pairs of neighbours decide what is valid.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

OUTSIDE = "O"
LETTERS = {"iob1": "BI", "iob2": "BI", "iobes": "BIES", "io": "I", "plain": ""}
"""Scheme → the prefixes of its tags, in the order of `labels_of`."""
SCHEMES = tuple(LETTERS)
MISSPELT = re.compile(r"(?P<prefix>[BIESLU])[-_](?P<type>\S+)|(?P<before>\S+)[-_](?P<suffix>[BIESLU])|(?P<bare>[BI])|[O0]", re.I)
"""A tag that meant an entity, or none: `b-PER`, `PER-B`, `B_PER`, `B` without a type, `0` or `o` for O."""
ALIASES = {"L": "E", "U": "S"}
"""Letters of BILOU → those of IOBES."""

Bools = NDArray[np.bool_]


class Entity(NamedTuple):
    """Words `start` … `end` - 1 are one entity of `type`."""

    type: str
    start: int
    end: int


class _Tag(NamedTuple):
    """A tag taken apart; 'O' and the border of the sentence are ('O', '')."""

    letter: str
    type: str

    def __str__(self) -> str:
        return f"{self.letter}-{self.type}" if self.type else OUTSIDE


_OUT = _Tag(OUTSIDE, "")


def decode(tags: Sequence[str], scheme: str) -> list[Entity]:
    """The entities of a valid sequence, from left to right; `ValueError` for an invalid one and for 'plain'."""
    for position, message in violations(tags, scheme):
        raise ValueError(f"word {position}: {message}")
    return read(tags, scheme)


def encode(entities: Iterable[tuple[str, int, int]], n_words: int, scheme: str) -> tuple[str, ...]:
    """One tag per word. 'io' cannot show where one entity ends and the next of the same type begins: they merge.

    Raises `ValueError` for entities that overlap, are empty or leave the sentence, for an empty type, and for 'plain'.
    """
    _with_entities(scheme)
    tags = [OUTSIDE] * n_words
    last = Entity("", 0, 0)
    for entity in sorted((Entity(*entity) for entity in entities), key=lambda entity: entity[1:]):
        if not entity.type or not last.end <= entity.start < entity.end <= n_words:
            raise ValueError(f"{entity} does not fit behind {last} in a sentence of {n_words} words")
        touches = last.type == entity.type and last.end == entity.start
        letters = _letters(entity.end - entity.start, scheme, touches=touches)
        tags[entity.start : entity.end] = [f"{letter}-{entity.type}" for letter in letters]
        last = entity
    return tuple(tags)


def convert(tags: Sequence[str], source: str, target: str) -> tuple[str, ...]:
    """The same entities in another scheme; `ValueError` for an invalid sequence and between 'plain' and another scheme."""
    if source == target == "plain":
        return tuple(tags)
    return encode(decode(tags, source), len(tags), target)


def violations(tags: Sequence[str], scheme: str) -> list[tuple[int, str]]:
    """What is invalid in the scheme, as (position of the word, message), from left to right; one word can have two.

    Tags that cannot be read (see `unreadable`) are among them and hide what is wrong with their neighbours.
    """
    found = unreadable(tags, scheme)
    if scheme != "plain":
        unread = {position for position, _ in found}
        border = len(tags)
        words = [None if i in unread else _taken_apart(tag) for i, tag in enumerate(tags)]
        for i, (before, after) in enumerate(pairwise([_OUT, *words, _OUT])):
            if before is not None and after is not None:
                found += _broken(before, after, i, scheme, at_border=i == border)
    return sorted(found, key=lambda one: one[0])


def unreadable(tags: Sequence[str], scheme: str) -> list[tuple[int, str]]:
    """The violations that `repair` refuses: no prefix, a prefix that the scheme does not know, no type, an empty tag."""
    letters = _known(scheme)
    faults = {tag: _unreadable(tag, letters) for tag in set(tags)}
    return [(i, fault) for i, tag in enumerate(tags) if (fault := faults[tag])]


def read(tags: Sequence[str], scheme: str) -> list[Entity]:
    """The entities as conlleval reads them, valid or not: one begins at B and S, after O, E and S, and where the type changes.

    `ValueError` for tags that cannot be read and for 'plain'.
    """
    _with_entities(scheme)
    for position, message in unreadable(tags, scheme):
        raise ValueError(f"word {position}: {message}")
    entities: list[Entity] = []
    before = _OUT
    for i, tag in enumerate(map(_taken_apart, tags)):
        if tag == _OUT:
            pass
        elif tag.letter in "BS" or before.letter in "OES" or before.type != tag.type:
            entities.append(Entity(tag.type, i, i + 1))
        else:
            entities[-1] = entities[-1]._replace(end=i + 1)
        before = tag
    return entities


def repair(tags: Sequence[str], scheme: str) -> tuple[str, ...]:
    """The valid sequence with the entities of `read`; a valid one comes back as it is (L and U as E and S).

    `ValueError` for tags that cannot be read: guessing what they mean would invent labels.
    """
    if scheme == "plain":
        for position, message in unreadable(tags, scheme):
            raise ValueError(f"word {position}: {message}")
        return tuple(tags)
    return encode(read(tags, scheme), len(tags), scheme)


def labels_of(types: Iterable[str], scheme: str) -> tuple[str, ...]:
    """Every tag of the scheme for these types: 'O', then type by type in sorted order with the letters as in `LETTERS`.

    For 'plain' the types are the tags: 'O' first where it is one of them, the others sorted.
    """
    letters, names = _known(scheme), sorted(set(types))
    if "" in names:
        raise ValueError("an empty type")
    if scheme == "plain":
        return tuple(sorted(names, key=lambda name: name != OUTSIDE))
    return (OUTSIDE, *(f"{letter}-{name}" for name in names for letter in letters))


def scheme_of(labels: Sequence[str]) -> str:
    """The scheme of labels to learn, from their prefixes alone; 'plain' where some label is not an entity tag.

    'iob2' where B and I are the only ones: IOB1 has the same labels with another meaning, so it is read but never learned.
    """
    letters = {label.partition("-")[0] for label in labels if label != OUTSIDE}
    scheme = "iobes" if letters & {"E", "S"} else "iob2" if "B" in letters else "io" if letters else "plain"
    return "plain" if unreadable(labels, scheme) else scheme


def respelt(tag: str) -> str | None:
    """The entity tag that a misspelt tag most likely means (`B-TYPE` for `B`); None for a tag of another kind."""
    match = MISSPELT.fullmatch(tag)
    if match is None:
        return None
    letter = match["prefix"] or match["suffix"] or match["bare"]
    return f"{letter.upper()}-{match['type'] or match['before'] or 'TYPE'}" if letter else OUTSIDE


def misspelt(tags: Iterable[str]) -> dict[str, str]:
    """Tag → what it most likely means, for the wrong ones among tags that all seem to mark entities; else nothing."""
    meant = {tag: respelt(tag) for tag in sorted(set(tags))}
    letters = {(tag or "")[:1] for tag in meant.values()}
    if None in meant.values() or not letters & {"B", "I"}:
        return {}
    return {tag: str(right) for tag, right in meant.items() if tag != right}


def allowed_transitions(labels: Sequence[str], scheme: str) -> tuple[Bools, Bools, Bools]:
    """What may begin a sentence [L], end it [L] and follow [L, L], as [before, after]; all True for 'plain'.

    A sequence of these labels has no violations exactly when all of its steps are allowed. `ValueError` for unreadable labels.
    """
    for _, message in unreadable(labels, scheme):
        raise ValueError(message)
    if scheme == "plain":
        n = len(labels)
        return np.ones(n, bool), np.ones(n, bool), np.ones((n, n), bool)
    tags = [_taken_apart(label) for label in labels]
    start = [_fits(_OUT, tag, scheme) for tag in tags]
    end = [_fits(tag, _OUT, scheme) for tag in tags]
    follow = [[_fits(before, after, scheme) for after in tags] for before in tags]
    return np.array(start, bool), np.array(end, bool), np.array(follow, bool).reshape(len(tags), len(tags))


def _known(scheme: str) -> str:
    if scheme not in LETTERS:
        raise ValueError(f"unknown tag scheme {scheme!r}, expected one of {', '.join(SCHEMES)}")
    return LETTERS[scheme]


def _with_entities(scheme: str) -> None:
    if not _known(scheme):
        raise ValueError(f"the tag scheme {scheme!r} has no entities")


def _letters(length: int, scheme: str, *, touches: bool) -> str:
    """The letters of one entity; `touches`: the word before it ends an entity of the same type."""
    if scheme == "iobes":
        return "S" if length == 1 else "B" + "I" * (length - 2) + "E"
    begins = scheme == "iob2" or (scheme == "iob1" and touches)
    return ("B" if begins else "I") + "I" * (length - 1)


def _unreadable(tag: str, letters: str) -> str:
    """Why a tag cannot be read in a scheme with these letters; empty where it can."""
    if not tag:
        return "an empty tag"
    if tag == OUTSIDE or not letters:
        return ""
    letter, dash, name = tag.partition("-")
    expected = f"'O' or {', '.join(f'{one}-TYPE' for one in letters)}"
    if not dash:
        return f"the tag '{tag}' has no prefix, expected {expected}"
    if ALIASES.get(letter, letter) not in list(letters):
        return f"the tag '{tag}' has the unknown prefix '{letter}', expected {expected}"
    return "" if name else f"the tag '{tag}' has no type"


def _taken_apart(tag: str) -> _Tag:
    if tag == OUTSIDE:
        return _OUT
    letter, _, name = tag.partition("-")
    return _Tag(ALIASES.get(letter, letter), name)


def _begins_badly(before: _Tag, tag: _Tag, scheme: str) -> bool:
    """`tag` continues an entity of its type, but `before` is not part of one."""
    if scheme == "iobes":
        return tag.letter in "IE" and not (before.letter in "BI" and before.type == tag.type)
    return tag.letter == {"iob1": "B", "iob2": "I"}.get(scheme) and before.type != tag.type


def _ends_badly(tag: _Tag, after: _Tag, scheme: str) -> bool:
    """The entity of `tag` must continue, but `after` does not continue it."""
    return scheme == "iobes" and tag.letter in "BI" and not (after.letter in "IE" and after.type == tag.type)


def _fits(before: _Tag, after: _Tag, scheme: str) -> bool:
    return not (_ends_badly(before, after, scheme) or _begins_badly(before, after, scheme))


def _broken(before: _Tag, after: _Tag, i: int, scheme: str, *, at_border: bool) -> list[tuple[int, str]]:
    """What is wrong between word `i` - 1 and word `i`, each fault at the word that shows it."""
    found = []
    if _ends_badly(before, after, scheme):
        found.append((i - 1, f"{before} is not ended: {'the sentence ends' if at_border else f'{after} follows'}"))
    if _begins_badly(before, after, scheme):
        place = "at the start of the sentence" if i == 0 else f"after {before}"
        if scheme == "iob1":
            found.append((i, f"{after} {place}: IOB1 writes I-{after.type} where no entity of the same type ends"))
        else:
            found.append((i, f"{after} {place} has no B-{after.type} to go on from"))
    return found
