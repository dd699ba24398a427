"""A study whose data have changed: only the arms that read them are trained, and the scores are compared with those before."""

from typing import Any

from prefect import State, flow
from prefect.states import Completed

from bertft_core.evaluation.moved_scores import moved_scores
from bertft_core.records import StudySummary
from bertft_core.report.prose import moved_scores_text
from bertft_core.storage.study_dir import read_record
from flows.flow_settings import OPTIONS, explained, name_by_message, show_moved, study_name
from flows.forms import AnyConfig
from flows.run_study import carry_out
from flows.study_command import read_command
from tasks.process_environment import settle_environment


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
    before = read_record(command.dir.summary_path, StudySummary)
    summary = carry_out(command).results.summary
    if before is None or before.data_fingerprint == summary.data_fingerprint:
        unchanged = "the data have not changed since the last run"
        return Completed(message="the study has run for the first time" if before is None else unchanged)
    moved = moved_scores(before, summary, command.study.head.metrics)
    show_moved(f"{command.study.name}-update", f"{command.study.name}: scores with the new data", moved)
    return Completed(message=f"new data: {moved_scores_text.sentence(moved)}")
