"""Finished runs trained again and compared bit by bit, as `bertft verify` does."""

from pathlib import Path

from prefect import State, flow

from flows.cli.verify_command import verify_command
from flows.flow_settings import OPTIONS, shown_as_artifact
from tasks.process_environment import settle_environment
from tasks.study_tasks import artifact_key


@flow(name="verify-study", **OPTIONS)
def verify_study(study: str, runs: str = "1", home: str | None = None) -> State:
    """Train finished runs of a study again; the flow run fails unless each is bitwise equal to its record.

    `study` is its name or config file; `runs` of each arm, or `all`; `home` is where it lies.
    """
    settle_environment()
    where = None if home is None else Path(home)
    return shown_as_artifact(
        lambda: verify_command(study, where, runs=runs, certificate=False),
        artifact_key(f"{Path(study).stem}-verification"),
        f"{study} verified",
    )
