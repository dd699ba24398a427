"""MLflow keeps absolute addresses: a home that was moved or copied is given its own, or it would write where it came from."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

ARTIFACTS = "mlflow-artifacts"
ADDRESSES = (("experiments", "artifact_location"), ("runs", "artifact_uri"), ("logged_models", "artifact_location"))
"""Where MLflow's tables hold addresses of artifacts."""


def artifact_location(home_dir: Path, experiment: str) -> str:
    """The address of an experiment's artifacts in a home, absolute: MLflow's default is a folder where a command is started."""
    return (home_dir.resolve() / ARTIFACTS / experiment).as_uri()


def follow_home(home_dir: Path) -> str | None:
    """Let `mlflow.db` of this home name the artifacts beside it, and no longer those of the place that it was moved from.

    Returns why that cannot be done; the store must not be used then, because it would write into another home.
    """
    path, here = home_dir / "mlflow.db", home_dir.resolve().as_uri()
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=30.0)) as database, database:
            for home in _other_homes(database, here):
                for table, column in ADDRESSES:
                    _replace(database, table, column, home, here)
    except sqlite3.Error as error:
        return f"{path} names artifacts of another place, which cannot be corrected: {error}"
    return None


def _other_homes(database: sqlite3.Connection, here: str) -> set[str]:
    """Addresses of homes whose artifacts the store names, but this one."""
    rows = database.execute("SELECT name, artifact_location FROM experiments").fetchall()
    ends = [(str(location), f"/{ARTIFACTS}/{quote(name)}") for name, location in rows]
    homes = {location.removesuffix(end) for location, end in ends if location.startswith("file:") and location.endswith(end)}
    return homes - {here}


def _replace(database: sqlite3.Connection, table: str, column: str, home: str, here: str) -> None:
    begin = f"{home}/{ARTIFACTS}/"
    database.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
        (f"{here}/{ARTIFACTS}/", len(begin) + 1, len(begin), begin),
    )
