"""The commands of a lab: `bertft server up`, `status`, `down` and `notify`."""

from typing import Annotated

import typer

from flows.cli.arguments import Home, Json
from flows.cli.plain_help import PlainCommand
from flows.cli.verbosity import with_verbosity

server = typer.Typer(
    name="server",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="A Prefect and an MLflow server for a group, on one machine.",
)


def up(
    home: Home = None,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="ADDRESS", help="Where the servers listen.  [default: 127.0.0.1, this machine]"),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="HOST", help="How others reach this machine.  [default: as --host]")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65534, help="Of Prefect; MLflow has the next one.  [default: 4200]")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option("--database", metavar="URL", help="A PostgreSQL that is there: postgresql://USER@HOST.  [default: its own]"),
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(
            "--artifacts", metavar="DIR|URL", help="Where MLflow keeps artifacts.  [default: HOME/server/mlflow-artifacts]"
        ),
    ] = None,
) -> None:
    """Start the lab of a home; it goes on by itself.

    PostgreSQL, Prefect's server, MLflow's server with users and artifacts, a work pool, the deployments, and a worker. Passwords
    are made at the first start and kept in HOME/server/credentials.env. Options are remembered.
    """
    from flows.cli.lab.server_commands import up_command

    chosen: dict[str, str | int | None] = {"host": host, "name": name, "port": port, "database": database, "artifacts": artifacts}
    raise typer.Exit(up_command(home, chosen))


def status(home: Home = None, as_json: Json = False) -> None:
    """Say what runs and whether it answers."""
    from flows.cli.lab.server_status import status_command

    raise typer.Exit(status_command(home, as_json=as_json))


def down(home: Home = None) -> None:
    """Stop the lab of a home; its data stay."""
    from flows.cli.lab.server_commands import down_command

    raise typer.Exit(down_command(home))


def notify() -> None:
    """Tell failures and regressions to a webhook.

    Its address is read from standard input, because it is a secret. Works on the Prefect server that PREFECT_API_URL names, and
    can be called again, for another address.
    """
    from flows.cli.notify_command import notify_command

    raise typer.Exit(notify_command())


for _command in (up, status, down, notify):
    server.command(cls=PlainCommand)(with_verbosity(_command))
