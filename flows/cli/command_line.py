"""The command line: every command in its group, and how their help looks."""

from collections.abc import Callable
from typing import Annotated

import typer

from bertft_core import __version__
from flows.cli.event_commands import announce, watch
from flows.cli.evidence_commands import compare, diff, replay, seeds, verify
from flows.cli.keep_commands import clean, delete, fetch, repair, report
from flows.cli.look_commands import diagnose, list_studies, open_report, show, status, ui
from flows.cli.plain_help import GroupedCommands, PlainCommand
from flows.cli.server_app import server
from flows.cli.start_commands import check_data, init, plan, recommend, run
from flows.cli.terminal import say
from flows.cli.use_commands import export, predict
from flows.cli.verbosity import with_verbosity

GROUPS: dict[str, dict[str, Callable[..., None]]] = {
    "Start": {"init": init, "recommend": recommend, "check-data": check_data, "plan": plan, "run": run},
    "Look": {"list": list_studies, "status": status, "show": show, "open": open_report, "ui": ui},
    "Compare": {"compare": compare, "seeds": seeds, "diff": diff},
    "Check": {"diagnose": diagnose, "verify": verify, "replay": replay},
    "Use": {"predict": predict, "export": export},
    "Keep": {"report": report, "repair": repair, "fetch": fetch, "clean": clean, "delete": delete},
    "Lab": {"announce": announce, "watch": watch},
}
"""Group → name of the command → its function, in the order of the help."""
WIDEST = 110
"""Columns of help, however wide the terminal is: longer lines are hard to read."""


app = typer.Typer(
    name="bertft",
    cls=GroupedCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich takes as long to load as everything else that help needs
    context_settings={"max_content_width": WIDEST},
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


for _group, _commands in GROUPS.items():
    for _name, _command in _commands.items():
        app.command(_name, cls=PlainCommand, rich_help_panel=_group)(with_verbosity(_command))
app.command("settle", cls=PlainCommand, hidden=True, help="Old name of `repair`.")(with_verbosity(repair))
app.add_typer(server, rich_help_panel="Lab")
