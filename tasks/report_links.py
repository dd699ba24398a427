"""Prefect's artifacts keep the address of a report for ever: where that no longer leads to it, they are given the present one.

The address holds a port, which another program may have taken since, and the home, which may have been moved.
"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from bertft_core.storage.study_dir import StudyDir
from tasks.report_address import ABOUT, HOST, home_key, report_link
from tasks.tracking.store_files import opened, prefect_path

TABLES = ("artifact", "artifact_collection")
"""Every artifact that was made, and for each key the latest one."""
LINK = re.compile(rf"\]\((?P<address>http://{re.escape(HOST)}:\d+/(?P<home>[0-9a-f]+)/(?P<study>[^/)]+)/report/report\.html)\)$")
LIKE = f"%](http://{HOST}:%/report/report.html)%"
ANSWER_SECONDS = 2.0
Answers = Callable[[str], bool]


def is_there(address: str) -> bool:
    """Whether a page answers."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=ANSWER_SECONDS):
            return True
    except (urllib.error.URLError, OSError):
        return False


def follow_reports(home_dir: Path, port: int, answers: Answers = is_there) -> None:
    """Let the artifacts in a home's Prefect lead to its reports at this port.

    A link to this home that `answers` stays: another `bertft ui` serves it. Raises `sqlite3.Error`.
    """
    path = prefect_path(home_dir)
    if not path.exists():
        return
    with opened(path) as database, database:
        for table in TABLES:
            for row, data in database.execute(f"SELECT id, data FROM {table} WHERE data LIKE ?", (LIKE,)).fetchall():
                if (present := _present(home_dir, port, json.loads(data), answers)) is not None:
                    link, about = present
                    database.execute(f"UPDATE {table} SET data = ?, description = ? WHERE id = ?", (json.dumps(link), about, row))


def _present(home_dir: Path, port: int, kept: str, answers: Answers) -> tuple[str, str] | None:
    """The link and the description that an artifact should have; None where it may stay as it is."""
    found = LINK.search(kept)
    if found is None:
        return None
    study_dir = StudyDir(home_dir, unquote(found["study"]))
    address, opened_by = report_link(study_dir, None, port)
    if found["address"] == address or (found["home"] == home_key(home_dir) and answers(found["address"])):
        return None
    return f"[{study_dir.report_dir / 'report.html'}]({address})", ABOUT.format(opened_by=opened_by)
