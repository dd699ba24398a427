"""`bertft run`: the flow on an embedded Prefect server, or on the server that PREFECT_API_URL names."""

import os
import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from bertft_core.config.addresses import without_password
from bertft_core.records import StudySummary
from bertft_core.report.text_table import result_table
from bertft_core.storage.disk_errors import disk_errors_explained
from bertft_core.storage.home_folder import home_dir
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.devices import usable_cores
from flows.cli.console import shown
from flows.cli.embedded_server import EmbeddedServer
from flows.cli.find_study import given_config
from flows.cli.finished_study import finished_summary
from flows.cli.server_answers import expect_mlflow_login, expect_prefect
from flows.cli.terminal import advise, note, say, say_json, warn
from flows.study_command import StudyCommand, read_command
from tasks.early_workers import early_workers
from tasks.process_environment import MLFLOW_STORE, keep_prefect_out_of_the_terminal, use_embedded_prefect
from tasks.tracking.store_files import set_prefect_aside

NOT_DONE = ("failed", "missing")
DRAIN_SECONDS = 10.0


def run_command(config: Path, overrides: list[str], home: Path | None, *, force: bool, as_json: bool = False) -> int:
    """Run the study and print its table; 0, or 1 when a report run failed (one that collapsed or diverged is a result)."""
    given = given_config(config, home_dir(home))
    command = read_command(given, overrides, home, force=force)  # a mistake is reported before anything starts
    study, where, command.is_shown = command.study, command.home_dir, True
    note(f"study {study.name} in {where}")
    if study.tracking.uri is not None and study.tracking.uri == os.environ.get(MLFLOW_STORE):
        remark = f"MLflow's store is {without_password(study.tracking.uri)}, from {MLFLOW_STORE}"
        note(f"{remark}; --set tracking.uri=null keeps the record in the home")

    with disk_errors_explained(where):
        summary = None if os.environ.get("PREFECT_API_URL") else finished_summary(command)
        if summary is not None:
            note("nothing to do: runs, summary, report and MLflow's record are up to date")
        else:
            summary = _carried_out(command, str(config), overrides)
    if as_json:
        say_json(summary.model_dump_json(indent=1))
    else:
        _print_end(summary, command.dir)
    for problem in command.progress.problems:
        warn(problem)
    return 1 if any(arm.counts.get(status, 0) for arm in summary.arms for status in NOT_DONE) else 0


def _carried_out(command: StudyCommand, config: str, overrides: list[str]) -> StudySummary:
    where = command.home_dir

    def begin() -> None:
        command.begin()
        if command.study.tracking.uri is None:
            command.progress.link("pages", ui_line(command.dir))

    expect_mlflow_login(command.study.tracking.uri)
    with (
        shown(command.progress, command.study.name),
        early_workers(command.study, where, force=command.force) as command.workers,
        ExitStack() as begun,
    ):
        begun.push(command.session)  # it is closed where the flow, which closes it, was not reached
        begun.enter_context(prefect_api(where, first=begin, on_page=command.progress.link))
        from flows.run_study import run_in_terminal

        return run_in_terminal(command, config, [without_password(each) for each in overrides])


@contextmanager
def prefect_api(
    home: Path, first: Callable[[], object], on_page: Callable[[str, str], object] = lambda *_: None
) -> Iterator[None]:
    """A Prefect API for the block: the one the environment names, else an embedded server that ends with the block.

    `first` is done while that starts, on cores that would wait for it: it waits itself, for the one process that imports torch.
    `on_page` hears of the pages of a server that has some, which an embedded one has not.
    """
    if api_url := os.environ.get("PREFECT_API_URL"):
        keep_prefect_out_of_the_terminal()
        note(f"Prefect's server is {without_password(api_url)}, from PREFECT_API_URL")
        expect_prefect(api_url)
        on_page("Prefect", f"{without_password(api_url).removesuffix('/api')}/runs")
        first()
        yield
        return
    use_embedded_prefect(home)
    if (remark := set_prefect_aside(home)) is not None:
        warn(remark)
    note("starting Prefect's embedded server …")
    with EmbeddedServer(home / "prefect" / "server.log") as server:
        os.environ["PREFECT_API_URL"] = server.api_url
        has_prefect = False
        try:
            if usable_cores() > 1:
                threading.Thread(target=_get_ready, args=(server,), daemon=True).start()
            first()
            import flows.run_study  # noqa: F401  (seconds of imports)

            has_prefect = True
            server.wait_until_ready()
            yield
        finally:
            if has_prefect:
                _send_what_is_queued()
            del os.environ["PREFECT_API_URL"]


def _get_ready(server: EmbeddedServer) -> None:
    """Import what the flow needs once the server has left a core to it; what goes wrong does so again where it is asked for."""
    with suppress(Exception):
        server.wait_until_ready()
        import flows.run_study  # noqa: F401


def _send_what_is_queued() -> None:
    """Prefect sends logs and events from threads; they would wait forever, at exit, for a server that is gone."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for service in (EventsWorker, APILogWorker):
        service.drain_all(timeout=DRAIN_SECONDS, at_exit=False)


def ui_line(study_dir: StudyDir) -> str:
    """The command that serves the pages of a study, also while it runs, to be pasted into a shell."""
    return shlex.join(["bertft", "ui", "--home", str(study_dir.home_dir), "--study", study_dir.path.name])


def _print_end(summary: StudySummary, study_dir: StudyDir) -> None:
    advise()
    say(result_table(summary))
    advise()
    advise(f"report    {study_dir.report_dir / 'report.html'}")
    for path in sorted(study_dir.path.glob("sweep/*/report.html")):
        advise(f"search    {path}")
    advise(f"look      {ui_line(study_dir)}")
