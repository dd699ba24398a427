"""`python -m tests.helpers.store_schemas`: write the stores of the installed MLflow and Prefect anew, as migrations make them."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from tasks.tracking.new_store import JOURNAL_MODES, SCRIPTS, Package, script_path

OF_MLFLOW = """
import sys
from mlflow.store.db.utils import _initialize_tables, create_sqlalchemy_engine
_initialize_tables(create_sqlalchemy_engine("sqlite:///" + sys.argv[1]))
"""
"""As its store does where there are no tables; what it adds then, such as an experiment, has paths and times."""


def migrated(package: Package, folder: Path) -> Path:
    """A store that the migrations have made, and nothing has used."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
    path = folder / "migrated" / f"{package}.db"
    path.parent.mkdir(exist_ok=True)
    commands = {
        "mlflow": ["-c", OF_MLFLOW, str(path)],
        "prefect": ["-m", "prefect", "server", "database", "upgrade", "-y"],
    }
    environment |= {"PREFECT_HOME": str(path.parent), "MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run([sys.executable, *commands[package]], check=True, capture_output=True, cwd=folder, env=environment)
    return path


def script_of(path: Path) -> str:
    """All that a store holds, as SQL; what the migrations make in the order of a set is sorted: constraints, and indexes."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        text = "\n".join(database.iterdump()) + "\n"
    text = re.sub(r"(?:^\tCONSTRAINT .*\n)+", lambda found: _sorted(found[0], ", \n"), text, flags=re.MULTILINE)
    return re.sub(r"(?:^CREATE (?:UNIQUE )?INDEX .*;\n)+", lambda found: _sorted(found[0], "\n"), text, flags=re.MULTILINE)


def _sorted(lines: str, between: str) -> str:
    return between.join(sorted(line.rstrip(", ") for line in lines.splitlines())) + "\n"


def main() -> None:
    """Migrate once each."""
    SCRIPTS.mkdir(exist_ok=True)
    for package in JOURNAL_MODES:
        with tempfile.TemporaryDirectory() as folder:
            script_path(package).write_text(script_of(migrated(package, Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
