"""The codes of refusals that the product's source holds."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from tests.helpers.product_modules import ROOT

PRODUCT = ("bertft_core", "tasks", "flows")
ERROR = "UserError"
Node = TypeVar("Node", bound=ast.AST)


CODE = re.compile(r"[a-z-]+\.[a-z0-9-]+")


def codes_in_product() -> set[str]:
    """Every text that a call gives as `code=`, or that a variable `code` is set to."""
    given = [keyword.value for _, call in _calls() for keyword in call.keywords if keyword.arg == "code"]
    given += [node.value for _, node in _nodes(ast.Assign) if "code" in {getattr(name, "id", "") for name in _targets(node)}]
    texts = [inner.value for value in given for inner in ast.walk(value) if isinstance(inner, ast.Constant)]
    return {text for text in texts if isinstance(text, str) and CODE.fullmatch(text)}


def positional_codes() -> list[str]:
    """`FILE:LINE` of every function that makes a refusal and takes its code as a positional argument, where it is not found."""
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, node in _nodes(ast.FunctionDef)
        if node.returns is not None
        and ERROR in ast.unparse(node.returns)
        and any(argument.arg == "code" for argument in node.args.args)
    ]


def refusals_without(field: str) -> list[str]:
    """`FILE:LINE` of every refusal that is raised without this field."""
    return [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path, call in _calls()
        if getattr(call.func, "id", None) == ERROR and not any(keyword.arg in (field, None) for keyword in call.keywords)
    ]


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    return _nodes(ast.Call)


def _targets(node: ast.Assign) -> Iterator[ast.AST]:
    return (inner for target in node.targets for inner in ast.walk(target))


def _nodes(kind: type[Node]) -> Iterator[tuple[Path, Node]]:
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, kind):
                    yield path, node
