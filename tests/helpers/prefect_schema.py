"""`python -m tests.helpers.prefect_schema`: write the store of the installed Prefect anew, as its migrations make it."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

from flows.cli.new_prefect_store import SCRIPTS, script_path


def migrated(folder: Path) -> Path:
    """A store that Prefect's migrations have made, and no server has used."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
    subprocess.run(
        command, check=True, capture_output=True, cwd=folder, env=environment | {"PREFECT_HOME": str(folder / "migrated")}
    )
    return folder / "migrated" / "prefect.db"


def script_of(path: Path) -> str:
    """All that a store holds, as SQL; what the migrations make in the order of a set is sorted: constraints, and indexes."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        text = "\n".join(database.iterdump()) + "\n"
    text = re.sub(r"(?:^\tCONSTRAINT .*\n)+", lambda found: _sorted(found[0], ", \n"), text, flags=re.MULTILINE)
    return re.sub(r"(?:^CREATE (?:UNIQUE )?INDEX .*;\n)+", lambda found: _sorted(found[0], "\n"), text, flags=re.MULTILINE)


def _sorted(lines: str, between: str) -> str:
    return between.join(sorted(line.rstrip(", ") for line in lines.splitlines())) + "\n"


def main() -> None:
    """Migrate once."""
    SCRIPTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        script_path().write_text(script_of(migrated(Path(folder))), encoding="utf-8")


if __name__ == "__main__":
    main()
