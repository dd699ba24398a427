"""A new store for Prefect's embedded server, as Prefect's own migrations make it: they take 11 s of a core, a script none.

The script of a version of Prefect is written by `python -m tests.helpers.prefect_schema` and compared with the migrations by a
test; for any other version Prefect migrates as ever.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from importlib import metadata
from pathlib import Path

SCRIPTS = Path(__file__).with_name("prefect_schema")


def script_path() -> Path:
    """The script of the installed version of Prefect, which may not be there."""
    return SCRIPTS / f"{metadata.version('prefect')}.sql"


def make_prefect_store(path: Path) -> None:
    """Make the store, where there is none and the installed version has a script; what cannot be made is left to Prefect."""
    script = script_path()
    if path.exists() or not script.is_file():
        return
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    beside = [part, *(part.with_name(f"{part.name}{ending}") for ending in ("-wal", "-shm"))]
    try:
        part.unlink(missing_ok=True)  # of a killed command that had this number
        with contextlib.closing(sqlite3.connect(part)) as database:
            database.execute("PRAGMA journal_mode = MEMORY")  # no second file that a kill would leave
            database.executescript(script.read_text(encoding="utf-8"))
            database.execute("PRAGMA journal_mode = WAL")  # as Prefect sets it
        os.link(part, path)  # whole or not at all; another command may have made one meanwhile, which stays
    except (OSError, sqlite3.Error):
        return
    finally:
        for left in beside:
            left.unlink(missing_ok=True)
