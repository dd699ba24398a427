"""The task of writing the report, and what Prefect's page shows of a study."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from bertft_core.records import DatasetCard, RunRecord, StudySummary, SweepResult
from bertft_core.report import study_report
from bertft_core.report.text_table import result_table
from bertft_core.training.environment import read_environment
from tasks.study_session import Session


@task(name="write-report", task_run_name="write report · {session.study.name}", cache_policy=NO_CACHE, persist_result=False)
def write_report(
    session: Session, card: DatasetCard, summary: StudySummary, records: list[RunRecord], sweeps: list[SweepResult]
) -> Path:
    """`study_report.html`, `runs.csv` and `summary.json`; see `bertft_core.report.study_report.write_report`."""
    ran = [record.environment for record in records if record.environment is not None]
    environment = ran[0] if ran else read_environment("cpu", session.study.execution.threads_per_run)
    path = study_report.write_report(
        session.study, card, summary, records, sweeps, study_dir=session.dir, environment=environment
    )
    table = f"```\n{result_table(summary)}\n```"
    session.tracker.log_study(summary, table)
    key = artifact_key(session.study.name)
    create_markdown_artifact(f"# {session.study.name}\n\n{table}", key=f"{key}-result", description="Result table")
    create_link_artifact(path.as_uri(), link_text=str(path), key=f"{key}-report", description="Report of the study")
    return path


def artifact_key(name: str) -> str:
    """A study's name in the characters Prefect allows in artifact keys."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower()).strip("-") or "study"
