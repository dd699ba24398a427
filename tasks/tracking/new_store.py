"""A new SQLite store as the migrations of its package make it: they take 3 s of a core (MLflow) or 11 s (Prefect), a script none.

The scripts of the locked versions are written by `python -m tests.helpers.store_schemas` and compared with the migrations by a
test; any other version migrates as ever.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from importlib import metadata
from pathlib import Path
from typing import Literal

Package = Literal["mlflow", "prefect"]
SCRIPTS = Path(__file__).with_name("schemas")
JOURNAL_MODES: dict[Package, str] = {"mlflow": "DELETE", "prefect": "WAL"}
"""As the packages set it."""


def script_path(package: Package) -> Path:
    """The script of the installed version, which may not be there."""
    return SCRIPTS / f"{package}-{metadata.version(package)}.sql"


def make_store(package: Package, path: Path) -> None:
    """Make the store, where there is none and the installed version has a script; what cannot be made is left to the package."""
    script = script_path(package)
    if path.exists() or not script.is_file():
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside = [part, *(part.with_name(f"{part.name}{ending}") for ending in ("-wal", "-shm"))]
    try:
        part.unlink(missing_ok=True)  # of a killed command that had this number
        with contextlib.closing(sqlite3.connect(part)) as database:
            database.execute("PRAGMA journal_mode = MEMORY")  # no second file that a kill would leave
            database.executescript(script.read_text(encoding="utf-8"))
            database.execute(f"PRAGMA journal_mode = {JOURNAL_MODES[package]}")
        os.link(part, path)  # whole or not at all; another command may have made one meanwhile, which stays
    except (OSError, sqlite3.Error):
        return
    finally:
        for left in beside:
            left.unlink(missing_ok=True)
