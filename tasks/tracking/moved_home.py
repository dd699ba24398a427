"""MLflow keeps absolute addresses: a home that was moved or copied is given its own, or it would write where it came from."""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

ARTIFACTS = "mlflow-artifacts"
ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)
"""Where MLflow's tables hold addresses of artifacts."""


def artifact_location(home_dir: Path, experiment: str) -> str:
    """The address of an experiment's artifacts in a home, absolute: MLflow's default is a folder where a command is started."""
    return (home_dir.resolve() / ARTIFACTS / experiment).as_uri()


def follow_home(home_dir: Path) -> str | None:
    """Let `mlflow.db` of this home name the artifacts beside it, and no longer those of the place that it was moved from.

    Returns why that cannot be done; the store must not be used then, because it would write into another home.
    """
    path = home_dir / "mlflow.db"
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=30.0)) as database, database:
            for there, name in _moved(database, home_dir):
                for table, column in ADDRESSES:
                    _replace(database, table, column, there, artifact_location(home_dir, name))
    except sqlite3.Error as error:
        return f"{path} names artifacts of another place, which cannot be corrected: {error}"
    return None


def _moved(database: sqlite3.Connection, home_dir: Path) -> list[tuple[str, str]]:
    """Address and name of every experiment whose artifacts came along from another place.

    Artifacts that are there and not here belong to another home, which only shares this store.
    """
    rows = database.execute("SELECT artifact_location, name FROM experiments").fetchall()
    elsewhere = [
        (str(address), name)
        for address, name in rows
        if str(address).startswith("file:")
        and str(address).endswith(f"/{ARTIFACTS}/{quote(name)}")
        and address != artifact_location(home_dir, name)
    ]
    return [
        (address, name) for address, name in elsewhere if (home_dir / ARTIFACTS / name).exists() or not _path(address).exists()
    ]


def _path(address: str) -> Path:
    return Path(unquote(urlsplit(address).path))


def _replace(database: sqlite3.Connection, table: str, column: str, there: str, here: str) -> None:
    database.execute(
        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} = ? OR substr({column}, 1, ?) = ?",
        (here, len(there) + 1, there, len(there) + 1, f"{there}/"),
    )
