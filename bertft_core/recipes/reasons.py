"""Why something was recommended or concluded: the rule that applied, its numbers, and the source it comes from."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

Source = Literal[
    "house rule", "Devlin 2019", "Mosbach 2021", "Zhang 2021", "Dodge 2020", "Google small BERTs", "Korthikanti 2022",
    "SQuAD scripts",
]  # fmt: skip
"""A publication; `house rule` is a convention of bertft or of practice."""
HOUSE_RULE: Source = "house rule"


class Reason(NamedTuple):
    """A rule and its numbers; `report.prose.recipe_text` has the sentence of every rule."""

    rule: str
    values: Mapping[str, Any] = {}


def because(rule: str, **values: Any) -> Reason:
    """A reason with its numbers by name."""
    return Reason(rule, values)
