"""Clauses, lists and plurals."""

import re
from collections.abc import Iterable


def as_sentence(clause: str) -> str:
    """A clause with its capital and full stop."""
    return f"{upper_first(clause)}."


def ended(words: str) -> str:
    """With a full stop, whether or not the writer gave one."""
    return words if words.endswith((".", "!", "?")) else f"{words}."


def said(clause: str, arms: Iterable[str]) -> str:
    """A clause as a sentence; the name of an arm that it begins with stays as it is."""
    begins_with_arm = any(re.match(rf"{re.escape(arm)}\b", clause) for arm in arms)
    return ended(clause if begins_with_arm else upper_first(clause))


def upper_first(clause: str) -> str:
    """A clause with its capital."""
    return f"{clause[:1].upper()}{clause[1:]}"


def listed(items: Iterable[str]) -> str:
    """Items in one breath: 'a, b and c'."""
    *most, last = list(items)
    return f"{', '.join(most)} and {last}" if most else last


def several(n: int, noun: str) -> str:
    """'1 seed', '2 seeds', '2 analyses'."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun.removesuffix('is')}{'es' if noun.endswith('is') else 's'}"
