"""Finished runs trained again and compared bit by bit, as `bertft verify` does."""

from pathlib import Path
from typing import Any

from prefect import State, flow

from flows.cli.verify_command import verify_command
from flows.flow_settings import OPTIONS, explained, shown_as_artifact
from tasks.process_environment import settle_environment
from tasks.study_tasks import artifact_key


@flow(name="verify-study", **OPTIONS)
@explained
def verify_study(study: str, runs: str = "1", home: str = "") -> State[Any]:
    """Train finished runs of a study again; the flow run fails unless each is bitwise equal to its record.

    Args:
        study: The name of a finished study, or its config file.
        runs: How many runs of each arm are trained again, or `all`.
        home: The folder where it lies on the worker's machine; empty for $BERTFT_HOME, else ./bertft-home.
    """
    settle_environment()
    where = Path(home) if home else None
    return shown_as_artifact(
        lambda: verify_command(study, where, runs=runs, certificate=False),
        artifact_key(f"{Path(study).stem}-verification"),
        f"{study} verified",
        verdict,
    )


def verdict(text: str, code: int) -> str:
    """The runs trained again in one sentence."""
    return "not every run trained again is bitwise equal to its record" if code else "every run trained again is bitwise equal"
