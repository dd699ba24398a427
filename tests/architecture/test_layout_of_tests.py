"""How the tests are laid out: what several of them need is in `tests/helpers` or a conftest, and unit tests train nothing."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TEST_FILES = sorted(TESTS.rglob("test_*.py"))


def imported_by(path: Path) -> set[str]:
    """Modules that a file imports, wherever in it, and what it takes from them as `module.name`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_no_test_imports_another():
    every = [path for path in TESTS.rglob("*.py") if path.name != "__init__.py"]
    assert len(every) >= 180
    found = [(path.name, name) for path in every for name in imported_by(path) if re.match(r"tests\..*\btest_", name)]
    assert found == []


def test_what_tests_share_is_in_helpers_or_a_conftest():
    assert len(TEST_FILES) >= 150
    others = {path.name for path in TESTS.glob("*/*.py")} - {path.name for path in TEST_FILES}
    in_helpers = {path.name for path in (TESTS / "helpers").glob("*.py")}
    assert len(in_helpers) >= 18
    assert others - in_helpers == {"conftest.py", "record.py"}, "golden/record.py is a script"
    assert {path.name for path in TESTS.glob("*.py")} == {"conftest.py", "__init__.py"}


def test_every_helper_is_used():
    used = set().union(*(imported_by(path) for path in TESTS.rglob("*.py")), {"tests.helpers"})
    for folder in ("benchmarks", "docs"):
        used |= set().union(*(imported_by(path) for path in (TESTS.parent / folder).rglob("*.py")))
    names = {path.stem for path in (TESTS / "helpers").glob("*.py")} - {"__init__"}
    assert [name for name in sorted(names) if f"tests.helpers.{name}" not in used] == []


TRAINING = {"bertft_core.training.run.train_run", "bertft_core.training.slots.Slots", "tests.helpers.study_commands"}


def test_unit_tests_train_nothing_and_start_no_studies():
    """What they import from the loop or the workers; `make check` stays quick by it."""
    unit = [path for path in TEST_FILES if path.parent.name == "unit"]
    assert len(unit) >= 100
    assert sum(bool(imported_by(path) & TRAINING) for path in TEST_FILES if path.parent.name == "contract") >= 10
    assert [path.name for path in unit if imported_by(path) & TRAINING] == []
