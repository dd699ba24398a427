"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.completion import complete_config, complete_study
from flows.cli.terminal import answer_in_json

A_CONFIG = "YAML file of the study, or the name of a ready one, or of one in the home."
Config = Annotated[Path, typer.Argument(metavar="CONFIG", help=A_CONFIG, autocompletion=complete_config)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one key, such as arms.full.learning_rate=3e-5. Repeatable."),
]
Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Where everything lives.  [default: $BERTFT_HOME, else ./bertft-home]"),
]
A_STUDY = "Name of the study, or its config file, or the name of a ready one."
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help=A_STUDY, autocompletion=complete_study)]
AnyStudy = Annotated[
    str | None,
    typer.Argument(
        metavar="STUDY", help="Name of a study, or its config file.  [default: all of the home]", autocompletion=complete_study
    ),
]
Paper = Annotated[bool, typer.Option("--paper", help="Figures as PDF and SVG, as wide as the column of a paper.")]
Json = Annotated[
    bool, typer.Option("--json", callback=answer_in_json, help="Print the answer as JSON, and nothing else on stdout.")
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", metavar="URI", envvar="MLFLOW_TRACKING_URI", help="MLflow's store.  [default: the one in the home]"
    ),
]
