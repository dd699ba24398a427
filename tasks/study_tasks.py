"""The tasks of a study before and after its runs: data, evaluation, report."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.utilities.annotations import opaque

from bertft_core.config import StudyConfig
from bertft_core.evaluation.summarize import evaluated
from bertft_core.records import DatasetCard, StudySummary
from bertft_core.report import report_seal, study_report
from bertft_core.report.answer_note import answer_note
from bertft_core.storage.damage import Tell
from bertft_core.storage.study_dir import write_record
from bertft_core.storage.study_results import StudyResults
from tasks.kept_states import state_kept
from tasks.preparation import prepare_beside
from tasks.protocols import SlotPool
from tasks.report_address import ABOUT, report_link

T = TypeVar("T")


@task(
    name="prepare-data",
    task_run_name="prepare data · {study.name}",
    tags=["stage:prepare"],
    cache_policy=NO_CACHE,
    persist_result=False,
)
@state_kept
def prepare_data(
    study: StudyConfig,
    home_dir: Path,
    *,
    take: Callable[[DatasetCard], None],
    tell: Tell,
    prepared: DatasetCard | None = None,
    workers: SlotPool | None = None,
) -> DatasetCard:
    """Read, check, split and tokenise; see `data.prepare_study_data`. Raises `UserError` for bad data, and what `take` raises,
    which notes their card.

    `prepared` is the card of data that the same command has prepared before, outside the study's lock: `bertft clean` may have
    deleted them since. `workers`: see `preparation.prepare_beside`.
    """
    if prepared is None or not all(Path(card.directory).is_dir() for card in prepared.every):
        prepared = prepare_beside(study, home_dir, workers, tell)
    take(prepared)
    return prepared


def untraversed(argument: T) -> T:
    """Results or records as the argument of a task: Prefect would look for futures in every number of every record."""
    return cast("T", opaque(argument))


@task(
    name="evaluate-runs",
    task_run_name="evaluate runs · {results.study.name}",
    tags=["stage:evaluate"],
    cache_policy=NO_CACHE,
    persist_result=False,
)
@state_kept
def evaluate_runs(results: StudyResults) -> StudyResults:
    """Scores from stored predictions, statistics over seeds, and every pair of arms compared.

    See `bertft_core.evaluation.summarize.evaluated`. What an earlier command found of the same records is taken from disk.
    """
    known = report_seal.sealed_summary(results)
    if known is not None:
        return results.with_summary(known)
    results = evaluated(results)
    write_record(results.study_dir.summary_path, results.summary)
    return results


@task(
    name="write-report",
    task_run_name="write report · {results.study.name}",
    tags=["stage:report"],
    cache_policy=NO_CACHE,
    persist_result=False,
)
@state_kept
def write_report(results: StudyResults, *, log: Callable[[StudySummary, str], None]) -> Path:
    """The folder of the report; see `bertft_core.report.study_report.write_report`."""
    path = study_report.write_report_once(results)
    log(results.summary, answer_note(results))
    return path


def show_answer(results: StudyResults, report_path: Path, address: str | None) -> None:
    """The answer and the report as artifacts of the flow run: its page lists none of those that a task run has made.

    `address` is that of the report in an MLflow that browsers reach; a browser opens no file from Prefect's pages.
    """
    key = artifact_key(results.study.name)
    text = f"# {results.study.name}\n\n{answer_note(results)}"
    create_markdown_artifact(text, key=f"{key}-result", description="Answer and results")
    link, opened_by = report_link(results.study_dir, address)
    about = ABOUT.format(opened_by=opened_by)
    create_link_artifact(link, link_text=str(report_path), key=f"{key}-report", description=about)


def artifact_key(name: str) -> str:
    """A study's name in the characters Prefect allows in artifact keys."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower()).strip("-") or "study"
