"""A study whose data have changed: only the arms that read them are trained, and the scores are compared with those before."""

from typing import Any

from prefect import State, flow
from prefect.states import Completed

from bertft_core.evaluation.moved_scores import moved_scores
from bertft_core.records import StudySummary
from bertft_core.report.prose import moved_scores_text
from bertft_core.storage.study_dir import StudyDir, read_record, write_record
from flows.flow_settings import OPTIONS, explained, name_by_message, show_moved, study_name
from flows.forms import AnyConfig
from flows.run_study import carry_out
from flows.study_command import read_command
from tasks.process_environment import settle_environment

BEFORE = "before-update.json"
"""In a study's folder, until the scores are compared: its summary before."""


@flow(name="update-study", **OPTIONS, flow_run_name=study_name, on_completion=[name_by_message])
@explained
def update_study(config: AnyConfig = "quickstart", overrides: tuple[str, ...] = (), home: str = "") -> State[Any]:
    """Run a study whose data may have changed; an artifact compares its scores with those of the data before.

    Args:
        config: A ready study, the path of a YAML file on the worker's machine, or a whole config.
        overrides: Changes to the config, each `dotted.key=value`.
        home: The folder where everything lies on the worker's machine; empty for $BERTFT_HOME, else ./bertft-home.
    """
    settle_environment()
    command = read_command(config, overrides, home, force=False)
    before = summary_before(command.dir)
    summary = carry_out(command).results.summary
    message = "the study has run for the first time" if before is None else "the data have not changed since the last run"
    if before is not None and before.data_fingerprint != summary.data_fingerprint:
        moved = moved_scores(before, summary, command.study.head.metrics)
        show_moved(f"{command.study.name}-update", f"{command.study.name}: scores with the new data", moved)
        message = f"new data: {moved_scores_text.sentence(moved)}"
    (command.dir.path / BEFORE).unlink(missing_ok=True)
    return Completed(message=message)


def summary_before(study_dir: StudyDir) -> StudySummary | None:
    """What the study found before this update, or before one that was interrupted: evaluation replaces its summary."""
    kept = study_dir.path / BEFORE
    before = read_record(kept, StudySummary) or read_record(study_dir.summary_path, StudySummary)
    if before is not None:
        write_record(kept, before)
    return before
