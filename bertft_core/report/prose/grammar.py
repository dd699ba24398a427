"""Clauses, lists and plurals."""

import re
from collections.abc import Iterable

PLURALS = (("is", "es"), ("ss", "sses"), ("y", "ies"), ("", "s"))
"""Endings of a noun and of its plural."""


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
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {plural(noun)}"


def every(n: int, noun: str) -> str:
    """'the only run', 'both runs', 'all 5 runs'."""
    return f"the only {noun}" if n == 1 else f"{'both' if n == 2 else f'all {n:,}'} {plural(noun)}"


def plural(noun: str) -> str:
    """'analyses', 'classes', 'entities', 'seeds'."""
    old, new = next(ending for ending in PLURALS if noun.endswith(ending[0]))
    return noun.removesuffix(old) + new


class Count(int):
    """A number whose format is a noun: '{n:seed}' is '1 seed' or '2,000 seeds'; without one it is '2,000'."""

    def __format__(self, noun: str) -> str:
        return several(int(self), noun) if noun[:1].isalpha() else format(int(self), noun or ",")
