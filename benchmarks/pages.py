"""Parts of the Markdown pages that benchmarks write."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence


def bullets(about: Mapping[str, str]) -> list[str]:
    """One Markdown bullet per fact, in lines of at most 100 columns."""
    facts = [f"- **{name}**: {value}" for name, value in about.items()]
    return [line for fact in facts for line in textwrap.wrap(fact, 100, subsequent_indent="  ", break_on_hyphens=False)]


def markdown_table(cells: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, its first row the header; every column but the first to the right."""
    header, *body = (f"| {' | '.join(row)} |" for row in cells)
    return [header, f"|---{'|---:' * (len(cells[0]) - 1)}|", *body]
