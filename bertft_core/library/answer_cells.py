"""What a cell of predictions that were made elsewhere holds; each function but the last raises `UserError` with file and line."""

import math
from typing import Any

from bertft_core.config.errors import UserError
from bertft_core.data.examples import as_found

OF_LABEL = "probability/"
"""Begins the name of a column of probabilities; the label follows."""


def text_in(value: Any, name: str, source: str, line: int) -> str:
    """An arm, an example, a label or a prediction."""
    if isinstance(value, (list, tuple, dict, set)) or bool(getattr(value, "shape", None)):
        raise UserError(
            f"the cell of '{name}' has several values",
            code="answers.several-values",
            path=source,
            line=line,
            found=as_found(str(value)),
            expected="a text or a number",
            hint="predictions with several labels each cannot be compared; give one row per decision",
        )
    is_missing = value is None or (isinstance(value, float) and math.isnan(value)) or str(value).strip() in ("", "<NA>")
    if not is_missing:
        return str(value)
    raise UserError(
        f"the cell of '{name}' is empty",
        code="answers.empty-cell",
        path=source,
        line=line,
        found="nothing",
        expected="a text or a number",
        hint="fill the cell, or remove the row from every run",
    )


def seed_in(value: Any, source: str, line: int) -> int:
    """A whole number."""
    number = number_in(value)
    if number is not None and number == round(number) and abs(number) < 2**53:
        return int(value) if isinstance(value, (int, str)) and str(value).strip().lstrip("+-").isdigit() else int(number)
    raise UserError(
        "the seed is not a whole number",
        code="answers.seed",
        path=source,
        line=line,
        found=as_found(value),
        expected="a whole number, the same for runs of two arms that belong together",
        hint="number the runs of each arm: 0, 1, 2, …",
    )


def share_in(value: Any, source: str, line: int) -> float:
    """A probability."""
    number = number_in(value)
    if number is not None and 0 <= number <= 1:
        return number
    raise UserError(
        "the probability is not a number from 0 to 1",
        code="answers.probability",
        path=source,
        line=line,
        found=as_found(value),
        expected="a number from 0 to 1",
        hint=f"correct it, or leave out the columns that begin with {OF_LABEL}",
    )


def number_in(value: Any) -> float | None:
    """A finite number; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
