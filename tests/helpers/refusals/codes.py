"""The codes of refusals that the product's source holds."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.helpers.product_modules import ROOT

PRODUCT = ("bertft_core", "tasks", "flows")
ERROR = "UserError"


def codes_in_product() -> set[str]:
    """Every text that a call gives as `code=`."""
    return {
        inner.value
        for _, call in _calls()
        for keyword in call.keywords
        if keyword.arg == "code"
        for inner in ast.walk(keyword.value)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and "." in inner.value
    }


def refusals_without(field: str) -> list[str]:
    """`FILE:LINE` of every refusal that is raised without this field."""
    return [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path, call in _calls()
        if getattr(call.func, "id", None) == ERROR and not any(keyword.arg in (field, None) for keyword in call.keywords)
    ]


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield path, node
