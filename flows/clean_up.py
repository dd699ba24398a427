"""Files that nothing needs any more, listed or deleted, as `bertft clean` does."""

from pathlib import Path
from typing import Any

from prefect import State, flow

from flows.cli.clean_command import clean_command
from flows.flow_settings import OPTIONS, explained, shown_as_artifact
from tasks.process_environment import settle_environment
from tasks.study_tasks import artifact_key


@flow(name="clean-up", **OPTIONS)
@explained
def clean_up(study: str = "", delete: bool = False, home: str = "") -> State[Any]:
    """List what a home no longer needs, and delete it where asked to.

    Args:
        study: Only what belongs to this study; empty for all.
        delete: Delete what is listed.
        home: The folder where everything lies on the worker's machine; empty for $BERTFT_HOME, else ./bertft-home.
    """
    settle_environment()
    where = Path(home) if home else None
    return shown_as_artifact(
        lambda: clean_command(study or None, where, yes=delete), artifact_key(f"{study or 'home'}-clean-up"), "Unused files"
    )
