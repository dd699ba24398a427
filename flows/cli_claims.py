"""The command that says what can be claimed of arms, of one study or across studies. `flows.cli` lists it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.arguments import Home

Studies = Annotated[
    list[str], typer.Argument(metavar="STUDY…", help="Names of studies, their config files, or experiments in MLflow.")
]


def compare(
    studies: Studies,
    metric: Annotated[str | None, typer.Option("--metric", help="The headline metric.  [default: the first study's]")] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Where it is scored.  [default: the first study's headline]")
    ] = None,
    checkpoint: Annotated[str | None, typer.Option("--checkpoint", help="best or final.  [default: as the headline]")] = None,
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
        str | None, typer.Option("--tracking-uri", metavar="URI", help="MLflow's store, for studies that this home lacks.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole comparison as JSON.")] = False,
) -> None:
    """Say what can be claimed of every pair of arms.

    From stored predictions, over seeds and examples: the difference with its interval, what the doubt comes from, P(A > B),
    tests, and one sentence a pair; corrected for all pairs and metrics. An arm of several studies is named STUDY · ARM. What
    is found goes into a folder, and into MLflow as a run of stage `comparison`.
    """
    from bertft_core.evaluation.claims.asking import Asked
    from flows.commands.comparing import compare_command

    asked = Asked(metric, split, checkpoint, tuple(arms.split(",")) if arms else None, baseline, resamples)
    raise typer.Exit(compare_command(studies, home, asked, uri=uri, output=output, as_json=as_json))
