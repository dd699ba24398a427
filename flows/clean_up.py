"""Files that nothing needs any more, listed or deleted, as `bertft clean` does."""

from pathlib import Path

from prefect import State, flow

from flows.cli.clean_command import clean_command
from flows.flow_settings import OPTIONS, shown_as_artifact
from tasks.process_environment import settle_environment
from tasks.study_tasks import artifact_key


@flow(name="clean-up", **OPTIONS)
def clean_up(study: str = "", delete: bool = False, home: str | None = None) -> State:
    """List what a home no longer needs, and delete it where asked to.

    `study` limits it to one study; `delete` deletes what is listed; `home` is where everything lies.
    """
    settle_environment()
    where = None if home is None else Path(home)
    return shown_as_artifact(
        lambda: clean_command(study or None, where, yes=delete), artifact_key(f"{study or 'home'}-clean-up"), "Unused files"
    )
