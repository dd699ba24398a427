"""What every flow of the deployments has: its options, the name of its runs, and how what a command prints is shown."""

import contextlib
import io
import logging
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from prefect import Flow, State, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from bertft_core.config import UserError
from bertft_core.records import StudySummary
from bertft_core.records.event_records import MovedScore
from bertft_core.report.formatting.aligned_table import aligned
from bertft_core.report.formatting.escapes import fenced
from bertft_core.report.prose import moved_scores_text, study_text, study_title
from flows.study_command import read_study
from tasks.study_tasks import artifact_key

P = ParamSpec("P")

OPTIONS: dict[str, Any] = {
    # bounds the slots of one machine; threads only wait for workers
    "task_runner": ThreadPoolTaskRunner(max_workers=64),
    "persist_result": False,
    "log_prints": False,
}

REGRESSED = "Regressed"
"""The name of the state of a flow run whose study has become worse."""
MAX_NAME = 250


def study_name() -> str:
    """The name of the flow run that is about to start, by which `bertft repair` finds it after an early kill."""
    config, overrides = flow_run.parameters["config"], flow_run.parameters.get("overrides") or []
    try:
        return read_study(config, overrides).name
    except UserError:  # the flow itself reports it
        return f"not a study: {config}"[:100]


def name_in_form() -> str:
    """The same for a flow run whose study is typed into a form."""
    return str(flow_run.parameters["study"].get("name"))


class WithoutTraceback(logging.Filter):
    """Of a mistake of the user a log has the text alone, once: where in the program it was noticed helps nobody.

    Nor does the text as Prefect writes a state: on one line, with escapes for the ends of its lines.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, UserError):
            record.msg, record.args, record.exc_info, record.exc_text = str(error), (), None, None
            return is_new(error)
        if isinstance(record.msg, str) and (state := LONG_STATE.match(record.msg)) is not None:
            record.msg = state[1]
        return True


WITHOUT_TRACEBACK = WithoutTraceback()
LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine")
LONG_STATE = re.compile(r"(Finished in state Failed)\(.*\\n.*\)$")
LOGGED = "was_logged"
"""Attribute of an error that the log has."""


def is_new(error: UserError) -> bool:
    """Whether the log has not got this error yet; from now on it counts as logged."""
    was_logged = bool(vars(error).get(LOGGED))
    vars(error)[LOGGED] = True
    return not was_logged


def explained(function: Callable[P, State[Any]]) -> Callable[P, State[Any]]:
    """The function of a flow; a `UserError` becomes a line of its log and a Failed state, and reaches who calls the flow."""

    @wraps(function)
    def explaining(*args: P.args, **kwargs: P.kwargs) -> State[Any]:
        for name in LOGGERS:
            logging.getLogger(name).addFilter(WITHOUT_TRACEBACK)
        try:
            return function(*args, **kwargs)
        except UserError as error:
            if is_new(error):
                get_run_logger().error("%s", error)
            return Failed(message=str(error), data=error)

    return explaining


def answer(summary: StudySummary) -> State[StudySummary]:
    """The state of a study that has ended: its message is the answer, its data the summary."""
    return Completed(message=study_text.sentences(summary)[0], data=summary)


def name_by_answer(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Give a flow run that has completed the answer as its name: all that Prefect's page shows at first, also on a phone.

    Before, it has the study's name, by which `bertft repair` finds what a kill has left running.
    """
    summary = state.result()
    with get_client(sync_client=True) as client:
        client.update_flow_run(flow_run.id, name=study_title.title(summary))


def name_by_message(flow: Flow[Any, Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Give a flow run that has compared a study with itself its message beside the study's name.

    The study's answer stays that of `run-study`: here people look for whether it has changed. Another failure keeps its name.
    """
    if state.name in ("Completed", REGRESSED) and state.message:
        with get_client(sync_client=True) as client:
            client.update_flow_run(flow_run.id, name=f"{flow_run.name}: {state.message}"[:MAX_NAME])


def last_line(text: str, code: int) -> str:
    """What a command says last."""
    return text.splitlines()[-1] if text else ""


def shown_as_artifact(
    command: Callable[[], int], key: str, title: str, message: Callable[[str, int], str] = last_line
) -> State[Any]:
    """Carry out a command of the terminal; what it prints becomes an artifact, its exit code the state of the flow run.

    `message` makes the message of the state from both.
    """
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = command()
    text = printed.getvalue().strip()
    get_run_logger().info(text)
    create_markdown_artifact(f"# {title}\n\n{fenced(text)}", key=key, description=title)
    said = message(text, code) or title
    return Completed(message=said) if code == 0 else Failed(message=said)


def show_moved(key: str, title: str, moved: list[MovedScore]) -> None:
    """An artifact with a sentence, and a row for each score."""
    table = fenced(aligned(moved_scores_text.rows(moved)))
    text = f"# {title}\n\n{moved_scores_text.sentence(moved)}\n\n{table}"
    create_markdown_artifact(text, key=artifact_key(key), description=title)
