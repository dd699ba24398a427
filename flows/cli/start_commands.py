"""The commands that begin a study: from data to a config, its check, its plan and its runs."""

from typing import Annotated

import typer

from flows.cli.arguments import Config, Home, Json, Set
from flows.cli.completion import complete_config


def init(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Kind of the head, such as regression.")] = "classification",
    output: Annotated[str, typer.Option("--output", metavar="FILE", help="Where the study goes.")] = "study.yaml",
    as_json: Json = False,
) -> None:
    """Write a commented study to start from.

    `bertft recommend` writes one for data that are there. No file is overwritten.
    """
    from flows.cli.init_command import init_command

    raise typer.Exit(init_command(task, output, as_json=as_json))


def recommend(
    source: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG|DATA",
            help="A study (.yaml, or the name of one), a data file, or a bundled set's name.",
            autocompletion=complete_config,
        ),
    ],
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
    as_json: Json = False,
) -> None:
    """Write a study for these data, with reasons.

    Looks at size, task, lengths, balance, encoder and machine. For a CONFIG, data, encoder, head and name are kept, and training
    and arms are replaced, in a file beside it. For DATA, the format and the column names determine the task; the study goes into
    the current folder. No file is overwritten without --force. Trains nothing.
    """
    from flows.cli.recommend_command import RecommendRequest, recommend_command

    asked = RecommendRequest(overrides or [], head, text or [], label, output, force)
    raise typer.Exit(recommend_command(source, home, asked, as_json=as_json))


def check_data(config: Config, overrides: Set = None, home: Home = None, as_json: Json = False) -> None:
    """Check and tokenise the data of a study; print its card."""
    from flows.cli.show_commands import check_data_command

    raise typer.Exit(check_data_command(config, overrides or [], home, as_json=as_json))


def plan(config: Config, overrides: Set = None, home: Home = None, as_json: Json = False) -> None:
    """Say what a run would train, its time and its disk."""
    from flows.cli.plan_command import plan_command

    raise typer.Exit(plan_command(config, overrides or [], home, as_json=as_json))


def run(
    config: Config,
    overrides: Set = None,
    home: Home = None,
    force: Annotated[bool, typer.Option("--force", help="Train again what is finished.")] = False,
    as_json: Json = False,
) -> None:
    """Run a study or continue it: only what is missing is trained."""
    from flows.cli.run_command import run_command

    raise typer.Exit(run_command(config, overrides or [], home, force=force, as_json=as_json))
