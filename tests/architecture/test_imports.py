"""Who may import what, how large a module may be, and which imports must stay out of the quick commands."""

from __future__ import annotations

import importlib.machinery
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.helpers.product_modules import ENTRYPOINT_MODULES, MODULES, ROOT

MAX_LINES, MAX_MEDIAN_LINES = 300, 130
HEAVY = ("torch", "transformers")


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a fresh process after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_globs_find_the_project():
    assert len(MODULES) >= 100
    assert len(ENTRYPOINT_MODULES) >= 30


def test_every_import_contract_is_kept():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert len(contracts) >= 6
    command = "from importlinter.cli import lint_imports_command; lint_imports_command(['--no-cache'])"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(contracts)} kept, 0 broken." in done.stdout


def test_no_module_is_long():
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: n for name, n in lines.items() if n > MAX_LINES} == {}
    assert statistics.median(lines.values()) < MAX_MEDIAN_LINES


@pytest.mark.parametrize("path", ENTRYPOINT_MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_of_flows_or_tasks_hides_an_installed_one(path):
    """A file entrypoint of Prefect puts the file's folder on sys.path: `flows/evaluate.py` would then be `import evaluate`."""
    elsewhere = [folder for folder in sys.path if Path(folder).resolve() != ROOT]
    name = path.stem if path.stem != "__init__" else path.parent.name
    if path.parent == ROOT / name:
        return  # the packages `flows` and `tasks` themselves
    assert name not in sys.stdlib_module_names
    assert importlib.machinery.PathFinder.find_spec(name, elsewhere) is None


def test_the_check_for_hidden_modules_knows_an_installed_one():
    assert importlib.machinery.PathFinder.find_spec("filelock", sys.path) is not None


@pytest.mark.parametrize("package", ["config", "records", "seeds", "metrics", "evaluation", "report"])
def test_what_needs_no_model_loads_without_torch(package):
    loaded = loaded_by(f"import bertft_core.{package}")
    assert "bertft_core" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_the_report_and_the_statistics_load_without_torch():
    loaded = loaded_by("import bertft_core.report.study_report, bertft_core.evaluation.summarize")
    assert {"jinja2", "numpy"} <= loaded, "the modules that do the work were imported"
    assert loaded.isdisjoint({*HEAVY, "prefect", "mlflow", "optuna"})


@pytest.mark.parametrize(
    "module", ["flows.run_study", "flows.cli.run_command", "flows.cli.plan_command", "flows.cli.show_commands"]
)
def test_the_process_that_drives_a_study_loads_without_torch(module):
    """Workers train; a driver that imports torch costs every command seconds before its first line."""
    loaded = loaded_by(f"import {module}")
    assert "bertft_core" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_the_command_line_loads_without_prefect_torch_or_mlflow():
    loaded = loaded_by("import flows.cli.app")
    assert "typer" in loaded
    assert loaded.isdisjoint({*HEAVY, "prefect", "mlflow", "optuna", "pandas", "sklearn"})
    assert loaded.isdisjoint({"pydantic", "yaml", "rich"}), "help and completion answer at once"


def test_show_and_status_load_without_scipy_or_optuna():
    """They answer in less time than scipy takes to import."""
    loaded = loaded_by("import flows.cli.show_commands, bertft_core.report.text_table, tasks.tracking.store_consistency")
    assert "numpy" in loaded
    assert loaded.isdisjoint({*HEAVY, "scipy", "optuna", "pandas", "prefect", "mlflow"})
