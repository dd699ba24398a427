"""`pyproject.toml` declares what the code imports and nothing else, and the lock file holds a version of each that fits."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PRODUCT = ("bertft_core", "flows", "tasks")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))

DISTRIBUTIONS = {
    "huggingface_hub": "huggingface-hub",
    "pydantic_core": "pydantic",  # which pins one version of it
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Import name → distribution, where the two differ."""

NOT_IMPORTED = {
    "fastapi": "a cap: newer ones break prefect 3.8",
    "optuna-dashboard": "`bertft ui` starts it as a program",
    "plotly": "optuna draws its figures with it",
    "ruff": "a program",
    "mypy": "a program",
    "import-linter": "a program",
    "pytest-xdist": "a plugin of pytest",
    "types-pyyaml": "read by mypy alone",
    "pandas-stubs": "read by mypy alone",
}
"""Declared although nothing imports them, and why."""

PEERS = {"deepsig", "rliable"}
"""What benchmarks compare with, in an environment of its own."""


def imported_by(*folders: str) -> set[str]:
    """Distributions that the Python files of these folders import, wherever in a file."""
    names: set[str] = set()
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert len(files) >= 3
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names.add(node.module.partition(".")[0])
    ours = {*PRODUCT, "tests", "benchmarks"}
    return {DISTRIBUTIONS.get(name, name) for name in names - ours - set(sys.stdlib_module_names) - PEERS}


def declared(requirements: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(requirement.name): requirement for requirement in map(Requirement, requirements)}


NEEDED = declared(PYPROJECT["project"]["dependencies"])
DEV = declared(PYPROJECT["dependency-groups"]["dev"])


def test_the_dependencies_are_what_the_code_imports():
    imported = imported_by(*PRODUCT)
    assert len(imported) >= 15
    assert imported - set(NEEDED) == set(), "imported and not declared"
    assert set(NEEDED) - imported - set(NOT_IMPORTED) == set(), "declared and not imported"


def test_the_dev_group_is_what_tests_and_benchmarks_import_besides():
    imported = imported_by("tests", "benchmarks") - set(NEEDED)
    assert imported - set(DEV) == set(), "imported by tests and not declared"
    assert set(DEV) - imported - set(NOT_IMPORTED) == set(), "declared and not imported"
    assert set(DEV) & set(NEEDED) == set()


def test_every_exception_is_still_one():
    everything = imported_by(*PRODUCT, "tests", "benchmarks")
    assert set(NOT_IMPORTED) <= {*NEEDED, *DEV}
    assert [name for name in NOT_IMPORTED if name in everything] == []


@pytest.mark.parametrize("name", sorted({*NEEDED, *DEV}))
def test_the_lock_holds_a_version_that_fits(name):
    locked = {canonicalize_name(distribution): version for distribution, version in LOCK.items()}
    assert len(locked) >= 100
    assert (NEEDED | DEV)[name].specifier.contains(locked[name])
