"""The task of writing the report, and what Prefect's page shows of a study."""

from collections.abc import Callable
from pathlib import Path

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from bertft_core.records import StudySummary
from bertft_core.report import study_report
from bertft_core.report.text_table import result_table
from bertft_core.storage.study_results import StudyResults


@task(name="write-report", task_run_name="write report · {results.study.name}", cache_policy=NO_CACHE, persist_result=False)
def write_report(results: StudyResults, *, log: Callable[[StudySummary, str], None]) -> Path:
    """The folder of the report; see `bertft_core.report.study_report.write_report`."""
    path, summary = study_report.write_report(results), results.summary
    table = f"```\n{result_table(summary)}\n```"
    log(summary, table)
    key = artifact_key(results.study.name)
    create_markdown_artifact(f"# {results.study.name}\n\n{table}", key=f"{key}-result", description="Result table")
    create_link_artifact(path.as_uri(), link_text=str(path), key=f"{key}-report", description="Report of the study")
    return path


def artifact_key(name: str) -> str:
    """A study's name in the characters Prefect allows in artifact keys."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower()).strip("-") or "study"
