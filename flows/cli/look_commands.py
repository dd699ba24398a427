"""The commands that show what is there."""

from typing import Annotated

import typer

from flows.cli.arguments import Home, Json, StudyName


def list_studies(home: Home = None, as_json: Json = False) -> None:
    """List the studies of a home: state, runs, headline, age, size."""
    from flows.cli.list_command import list_command

    raise typer.Exit(list_command(home, as_json=as_json))


def status(study: StudyName, home: Home = None, as_json: Json = False) -> None:
    """Say which runs are done, running, failed or missing."""
    from flows.cli.status_command import status_command

    raise typer.Exit(status_command(study, home, as_json=as_json))


def show(study: StudyName, home: Home = None, as_json: Json = False) -> None:
    """Print the result table of an evaluated study."""
    from flows.cli.show_commands import show_command

    raise typer.Exit(show_command(study, home, as_json=as_json))


def open_report(study: StudyName, home: Home = None, as_json: Json = False) -> None:
    """Open a study's report in the browser; print its address."""
    from flows.cli.open_command import open_command

    raise typer.Exit(open_command(study, home, as_json=as_json))


def ui(
    home: Home = None,
    study: Annotated[str | None, typer.Option("--study", metavar="STUDY", help="Open the links at this study.")] = None,
    port: Annotated[
        int,
        typer.Option("--port", metavar="N", min=1, max=65535, help="First of the ports: MLflow, Prefect, one for each search."),
    ] = 5000,
) -> None:
    """Serve the pages of MLflow, Prefect and Optuna until Ctrl-C.

    They are on 127.0.0.1; their links are printed.
    """
    from flows.cli.ui_command import ui_command

    raise typer.Exit(ui_command(home, study, port))


def diagnose(study: StudyName, home: Home = None, as_json: Json = False) -> None:
    """Check what may be wrong with a poor or unstable result.

    Data, labels, learning rate, length of training, collapse, truncation, balance, seeds: each check with its verdict (ok, look,
    problem), the numbers behind it and what to do, the worst first.
    """
    from flows.cli.show_commands import diagnose_command

    raise typer.Exit(diagnose_command(study, home, as_json=as_json))
