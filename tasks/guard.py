"""A small process beside a study: when the study's own is killed, it marks the MLflow runs left RUNNING as KILLED.

It waits on its stdin, which ends with its parent. Only for a store that is not the home's own file does it import MLflow, which
takes seconds.
"""

import json
import os
import sqlite3
import sys
from pathlib import Path

from bertft_core.config import StudyConfig
from bertft_core.config.addresses import shown
from bertft_core.processes import ChildLog, child_environment
from bertft_core.storage.study_dir import StudyDir
from tasks.mlflow_address import tracking_uri

GOODBYE = b"done\n"
WATCHED = "BERTFT_WATCHED"
"""Variable with home, store, study and session; the address of a store may hold a password."""


class Guard:
    """Watches over one session until it is released."""

    def __init__(self, home_dir: Path, study: StudyConfig, session: str) -> None:
        words = [str(home_dir.resolve()), study.tracking.uri or "", study.name, session]
        environment = child_environment({WATCHED: json.dumps(words)})  # others may read the words of a command
        log = ChildLog(StudyDir(home_dir, study.name).path / "logs" / "guard.log")
        self._process = log.start("tasks.guard", environment=environment)

    def release(self) -> None:
        """All is well: the guard goes."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(GOODBYE)
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it has been killed, and there is nothing left to tell it
        self._process.wait()


def watch(home_dir: str, uri: str, study: str, session: str) -> None:
    """Wait for the parent's last word; end its runs when there was none, in a store that is still there."""
    if sys.stdin.buffer.read() == GOODBYE:
        return
    own = Path(home_dir) / "mlflow.db"
    if not uri and (not own.exists() or _marked(own, session)):
        return
    try:
        _repair(tracking_uri(Path(home_dir), uri or None), study, session)
    except Exception as error:  # the store is away; libraries write its whole address into their errors
        print(f"MLflow: {shown(error)}", file=sys.stderr)


def _repair(where: str, study: str, session: str) -> None:
    from tasks.tracking.mlflow_store import MlflowClient, is_there, repair_killed_runs

    if not is_there(where):
        return  # it has been deleted, and is not created again
    client = MlflowClient(tracking_uri=where, registry_uri=where)
    found = client.get_experiment_by_name(study)
    if found is not None:
        repair_killed_runs(client, str(found.experiment_id), session=session)


def _marked(store: Path, session: str) -> bool:
    """Whether the file could be written without MLflow, which tries for longer."""
    from tasks.tracking.store_files import mark_killed

    try:
        mark_killed(store, session)
    except sqlite3.DatabaseError:
        return False
    return True


if __name__ == "__main__":
    watch(*json.loads(os.environ[WATCHED]))
