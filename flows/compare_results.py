"""Arms of stored studies compared, as `bertft compare` does."""

from pathlib import Path

from prefect import State, flow

from bertft_core.evaluation.comparison.request import ComparisonRequest
from flows.cli.compare_command import compare_command
from flows.flow_settings import OPTIONS, shown_as_artifact
from tasks.process_environment import settle_environment
from tasks.study_tasks import artifact_key


@flow(name="compare-studies", **OPTIONS)
def compare_studies(studies: list[str], home: str | None = None) -> State:
    """Compare the arms of finished studies; the table becomes an artifact, page and MLflow's run are those of the command.

    `studies` are names of studies, or their config files; `home` is where they lie.
    """
    settle_environment()
    where = None if home is None else Path(home)
    key = artifact_key(f"{'-'.join(studies)}-comparison")
    return shown_as_artifact(
        lambda: compare_command(studies, where, ComparisonRequest(), uri=None, output=None, as_json=False),
        key,
        f"{' and '.join(studies)} compared",
    )
