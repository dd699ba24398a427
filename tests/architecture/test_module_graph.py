"""The import graph has no circle, and no two modules share a name."""

from __future__ import annotations

from collections import defaultdict

import grimp

from tests.helpers.product_modules import MODULES, ROOT

TASK_NAMES = frozenset({"classification", "multi_label", "regression", "token_classification", "question_answering", "masked_lm"})
"""Every package that has one module per head names them alike."""


def import_circles() -> list[set[str]]:
    """Groups of modules that import each other, type-checking imports included: modules that survive peeling off leaves."""
    graph = grimp.build_graph("flows", "tasks", "bertft_core")
    imports = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
    assert len(imports) >= 300
    while leaves := {module for module, needed in imports.items() if not needed & imports.keys()}:
        imports = {module: needed for module, needed in imports.items() if module not in leaves}
    return [{module} | (needed & imports.keys()) for module, needed in imports.items()]


def test_no_modules_import_each_other_in_a_circle():
    assert import_circles() == []


def test_no_two_modules_share_a_name():
    """The names of the six task types apart, which every package of one module per head repeats."""
    found = defaultdict(list)
    for path in MODULES:
        if path.stem != "__init__" and path.stem not in TASK_NAMES:
            found[path.stem].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
