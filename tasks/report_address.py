"""Where a browser opens the report of a study from another page: it refuses links from http:// to file://."""

import hashlib
from pathlib import Path
from urllib.parse import quote

from bertft_core.storage.study_dir import StudyDir

HOST = "127.0.0.1"
REPORTS_PORT = 5990
"""Where `bertft ui` serves the reports of a home, or on the next free port."""
ABOUT = "Report of the study: {opened_by}"
"""Description of the artifact that leads to a report."""


def home_key(home_dir: Path) -> str:
    """Names a home in an address, so that the pages of another one do not answer for it."""
    return hashlib.sha256(str(home_dir.resolve()).encode()).hexdigest()[:12]


def page_address(study_dir: StudyDir, port: int = REPORTS_PORT) -> str:
    """The report's address while `bertft ui` runs."""
    return f"http://{HOST}:{port}/{home_key(study_dir.home_dir)}/{quote(study_dir.path.name)}/report/report.html"


def report_link(study_dir: StudyDir, in_mlflow: str | None, port: int = REPORTS_PORT) -> tuple[str, str]:
    """The address of a report, in MLflow where that is a server, and what must run for it to answer.

    `bertft ui` corrects the address where it serves the reports at another port; see `report_links`.
    """
    if in_mlflow is not None:
        return in_mlflow, "opened by MLflow's server"
    return page_address(study_dir, port), f"opens while this runs: bertft ui --home {study_dir.home_dir}"
