"""The command line: `bertft run`, and the commands before and after it."""

import io
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from bertft_core import __version__
from bertft_core.config.errors import UserError
from bertft_core.processes import end_process
from flows.cli.arguments import AnyStudy, Config, Home, Set, StudyName
from flows.cli.event_commands import announce, watch
from flows.cli.evidence_commands import compare, diff, replay, seeds, verify
from flows.cli.output import OutputLost, flush_output, give_up_output, use_safe_output
from flows.cli.reading_lines import ReadingLines, reading_shown
from flows.cli.server_app import server
from flows.cli.study_commands import COMMANDS
from flows.cli.terminal import say
from tasks.process_environment import check_current_folder, check_interpreter, settle_environment

DONE, SOME_RUNS_FAILED, USER_MUST_ACT, INTERRUPTED = 0, 1, 2, 130
READER_GONE = 141
"""Of a command whose output nobody reads any more, such as `bertft show | head -1`: what a shell gives for SIGPIPE."""

app = typer.Typer(
    name="bertft",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Reproducible multi-seed studies of BERT fine-tuning.\n\n"
    "Exit codes: 0 done, 1 some runs failed, 2 the user must change something, 130 stopped by Ctrl-C.",
)


def _print_version(asked: bool) -> None:
    if asked:
        say(f"bertft {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of `bertft` itself, before any command."""


@app.command()
def run(
    config: Config,
    overrides: Set = None,
    home: Home = None,
    force: Annotated[bool, typer.Option("--force", help="Train again what is finished.")] = False,
) -> None:
    """Run a study or continue it: only what is missing is trained."""
    from flows.cli.run_command import run_command

    raise typer.Exit(run_command(config, overrides or [], home, force=force))


@app.command()
def plan(config: Config, overrides: Set = None, home: Home = None) -> None:
    """Say what a run would train, its time and its disk."""
    from flows.cli.plan_command import plan_command

    raise typer.Exit(plan_command(config, overrides or [], home))


@app.command()
def recommend(
    source: Annotated[str, typer.Argument(metavar="CONFIG|DATA", help="A study (.yaml), a data file, or a bundled set's name.")],
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="FILE", help="Where the study goes; - is stdout.  [default: NAME-recommended.yaml]"),
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", metavar="KIND", help="Task of the model.  [default: inferred from the data]")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="COLUMN", help="Column of the text; twice for a pair of texts.")
    ] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="COLUMN", help="Column of the label.")] = None,
    overrides: Set = None,
    home: Home = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
) -> None:
    """Write a study for these data, with reasons.

    Looks at size, task, lengths, balance, encoder and machine. For a CONFIG, data, encoder, head and name are kept, and training
    and arms are replaced, in a file beside it. For DATA, the format and the column names determine the task; the study goes into
    the current folder. No file is overwritten without --force. Trains nothing.
    """
    from flows.cli.recommend_command import RecommendRequest, recommend_command

    asked = RecommendRequest(overrides or [], head, text or [], label, output, force)
    raise typer.Exit(recommend_command(source, home, asked))


@app.command("check-data")
def check_data(config: Config, overrides: Set = None, home: Home = None) -> None:
    """Check and tokenise the data of a study; print its card."""
    from flows.cli.show_commands import check_data_command

    raise typer.Exit(check_data_command(config, overrides or [], home))


@app.command()
def status(study: StudyName, home: Home = None) -> None:
    """Say which runs are done, running, failed or missing."""
    from flows.cli.show_commands import status_command

    raise typer.Exit(status_command(study, home))


@app.command("settle", hidden=True, help="Old name of `repair`.")
@app.command()
def repair(study: AnyStudy = None, home: Home = None) -> None:
    """Make the stores agree with the records after a crash.

    Ends whatever a dead process left running in MLflow, Prefect or Optuna, and corrects what differs from the records. Every
    `run` does this first.
    """
    from flows.cli.repair_command import repair_command

    raise typer.Exit(repair_command(study, home))


@app.command()
def show(
    study: StudyName,
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole summary as JSON.")] = False,
) -> None:
    """Print the result table of an evaluated study."""
    from flows.cli.show_commands import show_command

    raise typer.Exit(show_command(study, home, as_json=as_json))


@app.command()
def report(study: StudyName, home: Home = None) -> None:
    """Rebuild summary and report from the records on disk."""
    from flows.cli.show_commands import report_command

    raise typer.Exit(report_command(study, home))


@app.command()
def diagnose(
    study: StudyName,
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Check what may be wrong with a poor or unstable result.

    Data, labels, learning rate, length of training, collapse, truncation, balance, seeds: each check with its verdict (ok, look,
    problem), the numbers behind it and what to do, the worst first.
    """
    from flows.cli.show_commands import diagnose_command

    raise typer.Exit(diagnose_command(study, home, as_json=as_json))


for _command in (compare, seeds, verify, replay, diff):
    app.command()(_command)


@app.command()
def predict(
    study: StudyName,
    source: Annotated[str, typer.Option("--input", metavar="FILE", help="Examples to predict; - is standard input.")],
    target: Annotated[
        str, typer.Option("--output", metavar="FILE", help="Where the predictions go; - is standard output.")
    ] = "-",
    arm: Annotated[str | None, typer.Option("--arm", help="An arm.  [default: the best on validation]")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="A seed's index.  [default: the best on validation]")] = None,
    ensemble: Annotated[bool, typer.Option("--ensemble", help="All seeds whose models were kept, together.")] = False,
    file_format: Annotated[
        str | None, typer.Option("--format", help="Format of the input.  [default: by the ending, or the first character]")
    ] = None,
    home: Home = None,
) -> None:
    """Predict new examples with the models of a study.

    One JSON object a line. Examples come in the study's own formats; labels may be missing.
    """
    from bertft_core.library.chosen_runs import PredictRequest
    from flows.cli.predict_command import predict_command

    wanted = PredictRequest(arm, seed, ensemble)
    raise typer.Exit(predict_command(study, home, source=source, target=target, file_format=file_format, wanted=wanted))


@app.command()
def ui(
    home: Home = None,
    study: Annotated[str | None, typer.Option("--study", help="Open the links at this study.")] = None,
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="First of the ports: MLflow, Prefect, one for each search.")
    ] = 5000,
) -> None:
    """Serve the pages of MLflow, Prefect and Optuna until Ctrl-C.

    They are on 127.0.0.1; their links are printed.
    """
    from flows.cli.ui_command import ui_command

    raise typer.Exit(ui_command(home, study, port))


for _name, _of_studies in COMMANDS.items():
    app.command(_name)(_of_studies)


for _of_events in (announce, watch):
    app.command()(_of_events)


app.add_typer(server)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console script."""
    use_safe_output(as_json="--json" in (sys.argv if arguments is None else arguments))
    sys.exit(_written(lambda: _guarded(lambda: app(args=arguments, prog_name="bertft", standalone_mode=False))))


def _written(command: Callable[[], int]) -> int:
    """Run a command, and see that its output arrives; a reader that is gone is no mistake."""
    try:
        code = command()
        flush_output()
        return code
    except OutputLost as lost:
        give_up_output()
        if isinstance(lost.error, BrokenPipeError):
            return READER_GONE
        say(f"error: standard output cannot be written: {lost.error.strerror}", file=sys.stderr)
        say("  hint:     write to another file, or free some space there", file=sys.stderr)
        return USER_MUST_ACT


def _guarded(command: Callable[[], Any]) -> int:
    """Run a command; a user's mistake is a message and code 2, never a traceback."""
    for remark in settle_environment():
        say(f"note: {remark}", file=sys.stderr)
    try:
        check_interpreter()
        check_current_folder()
        with reading_shown(ReadingLines()):
            code = command()
    except UserError as error:
        say(f"error: {error}", file=sys.stderr)
        return USER_MUST_ACT
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except OutputLost:
        raise
    except Exception as error:
        show_message = getattr(error, "show", None)  # a wrong option or argument
        if show_message is None:
            from bertft_core.storage.disk_errors import disk_user_error

            if (disk_error := disk_user_error(error)) is None:
                raise
            say(f"error: {disk_error}", file=sys.stderr)
            return USER_MUST_ACT
        message = io.StringIO()
        show_message(file=message)
        say(message.getvalue(), end="", file=sys.stderr)
        return USER_MUST_ACT
    if code == INTERRUPTED:  # typer turns Ctrl-C into this code
        say("stopped; the same command continues from here", file=sys.stderr)
    return code if isinstance(code, int) else DONE


if __name__ == "__main__":
    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, int):
            end_process(end.code)
        raise
