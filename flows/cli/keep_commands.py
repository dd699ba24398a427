"""The commands that keep a home in order: reports, stores, unused files, whole studies."""

from typing import Annotated

import typer

from flows.cli.arguments import AnyStudy, Home, Json, Paper, StudyName, TrackingUri

Yes = Annotated[bool, typer.Option("--yes/--dry-run", help="Delete it; by default it is only listed.")]


def report(study: StudyName, home: Home = None, paper: Paper = False, as_json: Json = False) -> None:
    """Rebuild summary and report from the records on disk."""
    from flows.cli.show_commands import report_command

    raise typer.Exit(report_command(study, home, paper=paper, as_json=as_json))


def repair(study: AnyStudy = None, home: Home = None, as_json: Json = False) -> None:
    """Make the stores agree with the records after a crash.

    Ends whatever a dead process left running in MLflow, Prefect or Optuna, and corrects what differs from the records. Every
    `run` does this first.
    """
    from flows.cli.repair_command import repair_command

    raise typer.Exit(repair_command(study, home, as_json=as_json))


def clean(study: AnyStudy = None, home: Home = None, yes: Yes = False, as_json: Json = False) -> None:
    """List unused files, or delete them.

    With sizes: checkpoints of finished runs, models that retention does not keep, runs of settings that no config has any longer,
    data and stored features that no study uses, logs, damaged and temporary files.
    """
    from flows.cli.clean_command import clean_command

    raise typer.Exit(clean_command(study, home, yes=yes, as_json=as_json))


def fetch(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of a study that MLflow has.")],
    home: Home = None,
    uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Write a study that only MLflow has into the home.

    Config, data card, summary, and of every run its record, curves and predictions: enough for show, report, compare, seeds and
    the library. Models and data are not fetched; `run` prepares the data and trains what is missing.
    """
    from flows.cli.fetch_command import fetch_command

    raise typer.Exit(fetch_command(study, home, uri, as_json=as_json))


def delete(study: StudyName, home: Home = None, yes: Yes = False, as_json: Json = False) -> None:
    """Delete a study, and the data that only it uses.

    Says what goes and how much that frees. MLflow and Prefect keep their record of it.
    """
    from flows.cli.delete_command import delete_command

    raise typer.Exit(delete_command(study, home, yes=yes, as_json=as_json))
