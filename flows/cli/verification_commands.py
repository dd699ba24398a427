"""The commands that prove a number: train a run again, and say what differs between two. `flows.cli.app` lists them."""

from typing import Annotated

import typer

from flows.cli.arguments import Home, StudyName


def verify(
    study: StudyName,
    runs: Annotated[
        str | None, typer.Option("--runs", metavar="N|all", help="Runs of each arm.  [default: 1, or none with --certify]")
    ] = None,
    certify: Annotated[
        bool, typer.Option("--certify", help="Make the checks of the certificate on one run, shortened to 20 steps.")
    ] = False,
    home: Home = None,
) -> None:
    """Train finished runs again in fresh processes, and compare.

    Each is bitwise equal to its record, or equal within x (with the first step that differs), or not reproducible here (with
    the reason). The study's own results are left alone; the verdicts go to its report and to MLflow. Exit code 0 when all are
    bitwise.
    """
    from flows.cli.verify_command import verify_command

    raise typer.Exit(verify_command(study, home, runs=runs, certificate=certify))


def replay(
    run: Annotated[str, typer.Argument(metavar="MLFLOW_RUN_ID", help="Id of a training run in MLflow, or STUDY/arm/seed.")],
    home: Home = None,
    uri: Annotated[
        str | None, typer.Option("--tracking-uri", metavar="URI", help="MLflow's store.  [default: the one in the home]")
    ] = None,
) -> None:
    """Train a run again from MLflow's record alone, and compare.

    Needs no study folder and no prepared data: config, data card and record come from MLflow, the data from their source. The
    verdict is that of verify, and goes to the MLflow run as tags.
    """
    from flows.cli.replay_command import replay_command

    raise typer.Exit(replay_command(run, home, uri))


def diff(
    a: Annotated[str, typer.Argument(metavar="RUN_A", help="Digest (6 places or more), STUDY/arm/seed, or MLflow run id.")],
    b: Annotated[str, typer.Argument(metavar="RUN_B", help="The other run, in the same way.")],
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything that differs as JSON.")] = False,
) -> None:
    """Say what differs between two runs.

    Settings, seeds, data, encoder, environment, hashes, metrics, and the first step at which their curves part.
    """
    from flows.cli.diff_command import diff_command

    raise typer.Exit(diff_command(a, b, home, as_json=as_json))
