"""Whether a reference study still gives its scores: trained again, with an alarm where its seeds do not explain a change."""

from typing import Any

from prefect import State, flow
from prefect.states import Completed, Failed

from bertft_core.evaluation.moved_scores import moved_scores
from bertft_core.records import StudySummary
from bertft_core.records.event_records import STUDY_REGRESSED, StudyRegressed
from bertft_core.report.prose import moved_scores_text
from bertft_core.storage.study_dir import read_record
from flows.flow_settings import OPTIONS, REGRESSED, explained, name_by_message, show_moved, study_name
from flows.forms import AnyConfig
from flows.run_study import carry_out, emit_study_event
from flows.study_command import StudyCommand, read_command
from tasks.process_environment import settle_environment

AGAIN = "again"
"""Ends the name of the study that is trained anew each time."""


@flow(
    name="check-regression",
    **OPTIONS,
    flow_run_name=study_name,
    on_completion=[name_by_message],
    on_failure=[name_by_message],
)
@explained
def check_regression(config: AnyConfig = "quickstart", overrides: tuple[str, ...] = (), home: str = "") -> State[Any]:
    """Train a reference study again, under a name of its own, and compare its scores with the reference's.

    The first time, or where the study asks for something else since, the reference itself is made.

    Args:
        config: A ready study, the path of a YAML file on the worker's machine, or a whole config.
        overrides: Changes to the config, each `dotted.key=value`, such as `seeds.n=10`.
        home: The folder where everything lies on the worker's machine; empty for $BERTFT_HOME, else ./bertft-home.
    """
    settle_environment()
    reference = read_command(config, overrides, home, force=False)
    before = reference_summary(reference)
    if before is None:
        carry_out(reference)
        return Completed(message=f"the reference {reference.study.name} is made; later runs are compared with it")
    ended = carry_out(read_command(config, [*overrides, *as_in(reference)], home, force=True))
    moved = moved_scores(before, ended.results.summary, reference.study.head.metrics)
    worse = tuple(each for each in moved if each.is_worse)
    sentence = moved_scores_text.sentence(moved)
    title = f"{reference.study.name}: {'REGRESSED' if worse else 'no regression'}"
    show_moved(f"{reference.study.name}-regression", f"{'🔴' if worse else '🟢'} {title}", moved)
    if not worse:
        return Completed(message=sentence)
    emit_study_event(STUDY_REGRESSED, StudyRegressed(**ended.event_values(), reference=reference.study.name, moved=worse))
    return Failed(name=REGRESSED, message=sentence)


def as_in(reference: StudyCommand) -> list[str]:
    """Overrides that train a study beside its reference, computed with the same kind of device and kernels.

    Other ones give other numbers, which seeds do not explain.
    """
    execution = reference.study.execution
    return [
        f"name={reference.study.name}-{AGAIN}",
        *(f"execution.{name}={getattr(execution, name)}" for name in ("device", "kernels", "compute")),
    ]


def reference_summary(reference: StudyCommand) -> StudySummary | None:
    """What the reference found; None where it has not ended, or answers another question than the config asks now."""
    summary = read_record(reference.dir.summary_path, StudySummary)
    return summary if summary is not None and summary.study_digest == reference.study.digest else None
