"""What a person should know about predictions that were made elsewhere."""

from collections.abc import Mapping

from bertft_core.data.examples import shorten
from bertft_core.report.prose.grammar import several

SHOWN = 5


def unknown_labels(source: str, unknown: Mapping[str, int]) -> str:
    """Of predictions that are the true label of no example, with how often each is given."""
    names = ", ".join(map(shorten, list(unknown)[:SHOWN])) + (", …" if len(unknown) > SHOWN else "")
    return (
        f"{source}: {several(sum(unknown.values()), 'prediction')} with a label that no example has: {names}. "
        "They count as wrong, and averages over labels (macro) include these labels with a score of 0."
    )
