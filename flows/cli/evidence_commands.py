"""The commands that compare arms, size studies, and check whether a run reproduces its numbers."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.arguments import Home, Json, Paper, StudyName, TrackingUri
from flows.cli.completion import complete_study

Studies = Annotated[
    list[str] | None,
    typer.Argument(
        autocompletion=complete_study, metavar="STUDY…", help="Names of studies, their config files, or experiments in MLflow."
    ),
]


def compare(
    studies: Studies = None,
    csv: Annotated[
        list[Path] | None,
        typer.Option("--csv", metavar="FILE", help="Predictions made elsewhere (CSV, TSV, JSONL, Parquet). Repeatable."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", metavar="NAME", help="The headline metric.  [default: the first study's]")
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="Where it is scored.  [default: the first study's headline]")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", metavar="NAME", help="best or final.  [default: as the headline]")
    ] = None,
    arms: Annotated[str | None, typer.Option("--arms", metavar="A,B,…", help="Only these arms.  [default: all]")] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="ARM", help="Every other arm against this one.  [default: all pairs]")
    ] = None,
    resamples: Annotated[int, typer.Option("--resamples", metavar="N", help="Of seeds and examples.")] = 10_000,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Where tables and pictures go.  [default: HOME/comparisons/NAMES]"),
    ] = None,
    home: Home = None,
    uri: Annotated[
        str | None,
        typer.Option(
            "--tracking-uri",
            metavar="URI",
            envvar="MLFLOW_TRACKING_URI",
            help="MLflow's store, for studies that this home lacks.",
        ),
    ] = None,
    paper: Paper = False,
    as_json: Json = False,
) -> None:
    """Compare every pair of arms and say what can be claimed.

    From stored predictions, over seeds and examples: the difference with its interval, the main source of uncertainty,
    P(A > B), tests, and one sentence per pair, corrected for all pairs and metrics. With several studies an arm is named
    STUDY · ARM. The results go into a folder, and into MLflow as a run of stage `comparison`.

    A FILE has one row per run and example, with the columns arm, seed, example, label and prediction, and where there are any
    split and probability/LABEL. A comparison with a FILE is not logged in MLflow.
    """
    from bertft_core.evaluation.comparison.request import ComparisonRequest
    from flows.cli.compare_command import compare_command

    asked = ComparisonRequest(metric, split, checkpoint, tuple(arms.split(",")) if arms else None, baseline, resamples)
    raise typer.Exit(compare_command(studies or [], home, asked, csv or [], uri=uri, output=output, paper=paper, as_json=as_json))


def seeds(
    studies: Annotated[
        list[str] | None,
        typer.Argument(
            autocompletion=complete_study,
            metavar="STUDY…",
            help="A study, or several that differ only in their seed, for the variance between them.",
        ),
    ] = None,
    sd: Annotated[float | None, typer.Option("--sd", metavar="SD", help="In place of a study: the spread over seeds.")] = None,
    effect: Annotated[
        float | None, typer.Option("--effect", metavar="NUMBER", help="True difference to detect, in units of the metric.")
    ] = None,
    half_width: Annotated[
        float | None, typer.Option("--half-width", metavar="NUMBER", help="Target half-width of the interval.")
    ] = None,
    power: Annotated[
        float, typer.Option("--power", metavar="NUMBER", help="Probability of detecting the effect; two-sided test at 5 %.")
    ] = 0.8,
    paired: Annotated[
        bool, typer.Option("--paired/--unpaired", help="The arms share their seeds, and --sd is of the differences; or not.")
    ] = True,
    arm: Annotated[str | None, typer.Option("--arm", metavar="ARM", help="Only this arm.")] = None,
    metric: Annotated[str | None, typer.Option("--metric", metavar="NAME", help="Another metric than the headline's.")] = None,
    exceed: Annotated[
        float | None, typer.Option("--exceed", metavar="SCORE", help="Runs until one beats this validation score.")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Say how many seeds are needed.

    For a narrow interval, to detect a difference, or to tell which arm wins. For a study it also says what its seeds can and
    cannot detect, where their variance comes from, and whether starting many and stopping early would have paid off.
    """
    from flows.cli.seeds_command import SeedsRequest, seeds_command

    wanted = SeedsRequest(sd, effect, half_width, power, paired, arm, metric, exceed)
    raise typer.Exit(seeds_command(studies or [], home, wanted, as_json=as_json))


def verify(
    study: StudyName,
    runs: Annotated[
        str | None, typer.Option("--runs", metavar="N|all", help="Runs of each arm.  [default: 1, or none with --certify]")
    ] = None,
    certify: Annotated[
        bool, typer.Option("--certify", help="Make the checks of the certificate on one run, shortened to 20 steps.")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Train finished runs again in fresh processes, and compare.

    Each is bitwise equal to its record, or equal within x (with the first step that differs), or not reproducible here (with
    the reason). The study's own results are left alone; the verdicts go to its report and to MLflow. Exit code 0 when all are
    bitwise.
    """
    from flows.cli.verify_command import verify_command

    raise typer.Exit(verify_command(study, home, runs=runs, certificate=certify, as_json=as_json))


def replay(
    run: Annotated[str, typer.Argument(metavar="MLFLOW_RUN_ID", help="Id of a training run in MLflow, or STUDY/arm/seed.")],
    home: Home = None,
    uri: TrackingUri = None,
    as_json: Json = False,
) -> None:
    """Train a run again from MLflow's record alone, and compare.

    Needs no study folder and no prepared data: config, data card and record come from MLflow, the data from their source. The
    verdict is that of verify, and goes to the MLflow run as tags.
    """
    from flows.cli.replay_command import replay_command

    raise typer.Exit(replay_command(run, home, uri, as_json=as_json))


def diff(
    a: Annotated[str, typer.Argument(metavar="RUN_A", help="Digest (at least 6 hex characters), STUDY/arm/seed, or MLflow id.")],
    b: Annotated[str, typer.Argument(metavar="RUN_B", help="The other run, given the same way.")],
    home: Home = None,
    uri: Annotated[
        str | None,
        typer.Option(
            "--tracking-uri",
            metavar="URI",
            envvar="MLFLOW_TRACKING_URI",
            help="MLflow's store, for runs that this home lacks.  [default: the one in the home]",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what differs between two runs.

    Settings, seeds, data, encoder, environment, hashes, metrics, and the first step at which their curves diverge.
    """
    from flows.cli.diff_command import diff_command

    raise typer.Exit(diff_command(a, b, home, uri, as_json=as_json))
