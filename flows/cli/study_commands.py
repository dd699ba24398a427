"""The commands that begin, list, open, export, clean and delete whole studies."""

from collections.abc import Callable
from typing import Annotated

import typer

from flows.cli.arguments import AnyStudy, Home, StudyName


def init(
    task: Annotated[str, typer.Argument(metavar="[TASK]", help="Kind of the head, such as regression.")] = "classification",
    output: Annotated[str, typer.Option("--output", metavar="FILE", help="Where the study goes.")] = "study.yaml",
) -> None:
    """Write a commented study to start from.

    `bertft recommend` writes one for data that are there. No file is overwritten.
    """
    from flows.cli.init_command import init_command

    raise typer.Exit(init_command(task, output))


def list_studies(
    home: Home = None, as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False
) -> None:
    """List the studies of a home: state, runs, headline, age, size."""
    from flows.cli.list_command import list_command

    raise typer.Exit(list_command(home, as_json=as_json))


def open_report(study: StudyName, home: Home = None) -> None:
    """Open a study's report in the browser; print its address."""
    from flows.cli.open_command import open_command

    raise typer.Exit(open_command(study, home))


def export(
    study: StudyName,
    target: Annotated[str, typer.Option("--to", metavar="DIR", help="A new or empty folder; nothing is overwritten.")],
    arm: Annotated[str | None, typer.Option("--arm", help="An arm.  [default: the best on validation]")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", "--seed-index", help="A seed's index.  [default: the best on validation]")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--license", metavar="ID", help="The hub's id of a licence, for the card.")
    ] = None,
    languages: Annotated[
        list[str] | None, typer.Option("--language", metavar="CODE", help="Language of the texts, for the card. Repeatable.")
    ] = None,
    home: Home = None,
) -> None:
    """Write a kept model and its card for the Hugging Face hub.

    Model, tokenizer and configuration open with plain transformers; where the head needs bertft, the card says so. Nothing is
    uploaded: the command of the hub's own client is printed.
    """
    from bertft_core.library.chosen_runs import PredictRequest
    from flows.cli.export_command import export_command

    wanted = PredictRequest(arm, seed, ensemble=False)
    raise typer.Exit(export_command(study, home, target, wanted, licence=licence, languages=languages or []))


def delete(
    study: StudyName,
    home: Home = None,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Delete it; by default it is only listed.")] = False,
) -> None:
    """Delete a study, and the data that only it uses.

    Says what goes and how much that frees. MLflow and Prefect keep their record of it.
    """
    from flows.cli.delete_command import delete_command

    raise typer.Exit(delete_command(study, home, yes=yes))


def clean(
    study: AnyStudy = None,
    home: Home = None,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Delete it; by default it is only listed.")] = False,
) -> None:
    """List unused files, or delete them.

    With sizes: checkpoints of finished runs, models that retention does not keep, runs of settings that no config has any longer,
    data and stored features that no study uses, logs, damaged and temporary files.
    """
    from flows.cli.clean_command import clean_command

    raise typer.Exit(clean_command(study, home, yes=yes))


COMMANDS: dict[str, Callable[..., None]] = {
    "init": init,
    "list": list_studies,
    "open": open_report,
    "export": export,
    "clean": clean,
    "delete": delete,
}
"""Name → command."""
