"""One study from raw data to report: the flow behind `bertft run` and the deployments."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, cast
from uuid import UUID

from prefect import State, flow, get_run_logger, tags
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.events import emit_event
from prefect.runtime import flow_run
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from bertft_core.config import StudyConfig
from bertft_core.planning.plan_checks import refuse_unusable_plan
from bertft_core.records import StudySummary, SweepResult
from bertft_core.records.event_records import STUDY_COMPLETED, StudyCompleted
from bertft_core.storage.study_results import StudyResults
from flows.flow_settings import OPTIONS, answer, explained, name_by_answer, name_in_form, study_name
from flows.forms import AnyConfig
from flows.stages.probe_stage import probe_runs
from flows.stages.training_stage import Trainer, nothing, run_seeds
from flows.study_command import StudyCommand, read_command
from tasks.early_runs import EarlyRuns
from tasks.keep_models import keep_models
from tasks.kept_states import kept_states
from tasks.mlflow_address import shown_uri
from tasks.newest_only import NewestOnly
from tasks.prefect_patience import known_server
from tasks.prefect_runs import claim
from tasks.process_environment import settle_environment
from tasks.progress import StudyProgress
from tasks.progress_snapshot import Snapshot
from tasks.study_tasks import artifact_key, evaluate_runs, prepare_data, show_answer, untraversed, write_report
from tasks.tracking.store_files import study_tag


@flow(name="run-study", **OPTIONS, flow_run_name=study_name, on_completion=[name_by_answer])
@explained
def run_study(
    config: AnyConfig = "quickstart", overrides: tuple[str, ...] = (), home: str = "", force: bool = False
) -> State[StudySummary]:
    """Run one study, or continue it: data, searches, seeds, probes, evaluation, report.

    Args:
        config: A ready study, the path of a YAML file on the worker's machine, or a whole config.
        overrides: Changes to the config, each `dotted.key=value`, such as `seeds.n=10`.
        home: The folder where everything lies on the worker's machine; empty for $BERTFT_HOME, else ./bertft-home.
        force: Train again what is finished.
    """
    settle_environment()  # in a deployment no command line has done it
    return answer(carry_out(read_command(config, overrides, home, force=force)).results.summary)


# Prefect's server checks what is typed against the schema of `StudyConfig`; `parse_study` explains what only the values show
@flow(name="run-study", **OPTIONS, flow_run_name=name_in_form, validate_parameters=False, on_completion=[name_by_answer])
@explained
def run_study_from_form(study: StudyConfig, home: str = "", force: bool = False) -> State[StudySummary]:
    """Run a study that is typed into a form, or continue it.

    Args:
        study: The study, key by key, as in a YAML file.
        home: The folder where everything lies on the worker's machine; empty for $BERTFT_HOME, else ./bertft-home.
        force: Train again what is finished.
    """
    settle_environment()
    return answer(carry_out(read_command(dict(study), (), home, force=force)).results.summary)


def run_in_terminal(command: StudyCommand, config: str, overrides: list[str]) -> StudySummary:
    """The same flow for a command that this process has begun, whose server has answered."""

    @flow(name="run-study", **OPTIONS, flow_run_name=lambda: command.study.name, on_completion=[name_by_answer])
    @explained
    def run_study(config: str, overrides: list[str], home: str, force: bool) -> State[StudySummary]:
        return answer(carry_out(command).results.summary)

    # each flow would wait a second for its heartbeat thread; this process is watched by the person who started it
    with known_server(), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):  # type: ignore[dict-item]
        summary = run_study(config, overrides, str(command.home_dir), command.force)  # Prefect unpacks the state
    return cast("StudySummary", summary)


class CarriedOut(NamedTuple):
    """A study that has ended."""

    results: StudyResults
    mlflow_run_id: str | None
    """None where the store is away."""

    def event_values(self) -> dict[str, Any]:
        """What every event of a study says of it."""
        results = self.results
        return {
            "study": results.study.name,
            "study_digest": results.study.digest,
            "data_fingerprint": results.card.fingerprint,
            "tracking_uri": shown_uri(results.study_dir.home_dir, results.study.tracking.uri),
            "mlflow_run_id": self.mlflow_run_id,
        }


def carry_out(command: StudyCommand) -> CarriedOut:
    """The stages of a study, inside a flow run."""
    progress = command.progress
    session = command.session
    shown, tagged = watched(command.study, progress, log=not command.is_shown), tags(study_tag(command.study.name))
    with known_server(), shown, session, tagged, kept_states(progress.tell):
        study = session.study
        claim(study.name, command.home_dir, flow_run.id, progress.tell)
        if command.early is None:
            progress.enter("prepare")
        card = prepare_data(
            study, command.home_dir, take=session.take, tell=progress.tell, prepared=command.card, workers=session.workers
        )
        refuse_unusable_plan(study, card)
        early = command.early or EarlyRuns(session, card)
        early.stop()
        early.share_devices()
        trainer = Trainer(session, early)
        sweeps: dict[str, SweepResult] = {}
        write_searches = nothing
        if any(arm.search is not None for arm in study.arms.values()):
            from flows.stages.search_stage import run_searches  # Optuna, which no other study needs

            progress.enter("search")
            searches = run_searches(trainer, card)
            sweeps, write_searches = searches.results, searches.write
        progress.enter("seeds")
        wanted, records = run_seeds(trainer, card, sweeps, meanwhile=write_searches)
        write_searches()  # no run was left to train
        probe_runs(session, wanted.planned, records)
        session.end_workers()  # reading and drawing need the memory that they hold
        progress.enter("evaluate")
        every_record = {record.digest: record for record in session.dir.records()} | records
        results = StudyResults(study, card, session.dir, every_record, wanted.planned, sweeps)
        results = evaluate_runs(untraversed(results))
        progress.enter("report")
        session.tracker.catch_up([*records.values(), *results.search_runs])
        keep_models(untraversed(results), untraversed(records), log=session.tracker)
        report_path = write_report(untraversed(results), log=session.tracker.log_study)
        show_answer(results, report_path, session.tracker.study_address())
    ended = CarriedOut(results, session.tracker.study_run_id)
    emit_study_event(STUDY_COMPLETED, StudyCompleted(**ended.event_values()))
    return ended


def emit_study_event(event: str, content: StudyCompleted) -> None:
    """Emit an event whose resource is the study; other flows can be triggered by it."""
    resource = {"prefect.resource.id": f"bertft.study.{content.study}", "prefect.resource.name": content.study}
    emit_event(event, resource=resource, payload=content.model_dump(mode="json"))


@contextmanager
def watched(study: StudyConfig, progress: StudyProgress, *, log: bool) -> Iterator[None]:
    """Show the progress on Prefect's pages while the study runs; in its log, too, where `log`."""
    artifact = create_progress_artifact(
        0.0, key=f"{artifact_key(study.name)}-progress", description=f"{study.name}: runs done of runs planned"
    )
    assert isinstance(artifact, UUID)

    shown = NewestOnly[Snapshot](lambda snapshot: update_progress_artifact(artifact, 100.0 * snapshot.share))
    progress.listeners.append(shown)
    if log:
        logger = get_run_logger()
        progress.listeners.append(lambda snapshot: logger.info(snapshot.line()))
    yield
    shown.close()
    with suppress(Exception):  # that the server went away is reported already
        update_progress_artifact(artifact, 100.0)
