"""Prefect looks for futures in everything that a task gets; results and records are kept from that."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.helpers.product_modules import ENTRYPOINT_MODULES, ROOT

WALKED = {"StudyResults", "dict[str, RunRecord]"}
"""Types with thousands of numbers."""


def task_parameters() -> dict[str, list[str]]:
    """Task → positions of its parameters that are worth keeping from Prefect, as names; '' for the others."""
    found = {}
    for path in ENTRYPOINT_MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            decorators = map(ast.unparse, node.decorator_list) if isinstance(node, ast.FunctionDef) else ()
            if any(decorator.startswith("task(") for decorator in decorators):
                found[node.name] = [a.arg if a.annotation and ast.unparse(a.annotation) in WALKED else "" for a in node.args.args]
    return found


def walked_arguments() -> Iterator[str]:
    parameters = task_parameters()
    for path in (ROOT / "flows").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tasks.")]
        tasks = parameters.keys() & {alias.name for node in imports for alias in node.names}
        for call in nodes:
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in tasks:
                for name, given in zip(parameters[call.func.id], call.args, strict=False):
                    if name and not ast.unparse(given).startswith("untraversed("):
                        yield f"{path.name}:{call.lineno}: {name} of {call.func.id}"


def test_prefect_walks_neither_results_nor_records():
    guarded = [name for name, parameters in task_parameters().items() if any(parameters)]
    assert {"evaluate_runs", "write_report", "keep_models"} <= set(guarded)
    assert list(walked_arguments()) == []
