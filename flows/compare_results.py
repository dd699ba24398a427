"""Arms of stored studies compared, as `bertft compare` does."""

from pathlib import Path
from typing import Any

from prefect import State, flow

from bertft_core.evaluation.comparison.request import ComparisonRequest
from flows.cli.compare_command import compare_command
from flows.flow_settings import OPTIONS, explained, shown_as_artifact
from tasks.process_environment import settle_environment
from tasks.study_tasks import artifact_key


@flow(name="compare-studies", **OPTIONS)
@explained
def compare_studies(studies: list[str], home: str = "") -> State[Any]:
    """Compare the arms of finished studies; the table becomes an artifact, page and MLflow's run are those of the command.

    Args:
        studies: Names of finished studies, or their config files.
        home: The folder where they lie on the worker's machine; empty for $BERTFT_HOME, else ./bertft-home.
    """
    settle_environment()
    where = Path(home) if home else None
    key = artifact_key(f"{'-'.join(studies)}-comparison")
    return shown_as_artifact(
        lambda: compare_command(studies, where, ComparisonRequest(), uri=None, output=None, as_json=False),
        key,
        f"{' and '.join(studies)} compared",
        answer,
    )


def answer(text: str, code: int) -> str:
    """The first sentence of what the command prints: its tables have none, and its last line is where the page lies."""
    blocks = (block.splitlines() for block in text.split("\n\n"))
    return next((lines[0] for lines in blocks if lines and all(line.endswith(".") for line in lines)), "")
