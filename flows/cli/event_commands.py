"""The commands that tell Prefect of new data."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.arguments import Config, Home, Json, Set
from flows.cli.completion import complete_config


def announce(config: Config, overrides: Set = None, home: Home = None, as_json: Json = False) -> None:
    """Announce new data to Prefect, which starts the study.

    Emits the event `bertft.dataset.updated` to the server where the deployments are.
    """
    from flows.cli.announce_command import announce_command

    raise typer.Exit(announce_command(config, overrides or [], home, as_json=as_json))


def watch(
    configs: Annotated[
        list[Path],
        typer.Argument(autocompletion=complete_config, metavar="CONFIG…", help="YAML files of studies whose data are files."),
    ],
    overrides: Set = None,
    home: Home = None,
    every: Annotated[float, typer.Option("--every", metavar="SECONDS", min=1.0, help="Time between two looks.")] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, as for cron.")] = False,
) -> None:
    """Announce studies whose data files change, until Ctrl-C.

    Every change emits the event that `bertft announce` emits.
    """
    from flows.cli.watch_command import watch_command

    raise typer.Exit(watch_command(configs, overrides or [], home, every=every, once=once))
