"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file of the study, or the name of a ready one.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one key, such as arms.full.learning_rate=3e-5. Repeatable."),
]
Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Where everything lives.  [default: $BERTFT_HOME, else ./bertft-home]"),
]
StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study, or its config file.")]
AnyStudy = Annotated[
    str | None, typer.Argument(metavar="STUDY", help="Name of a study, or its config file.  [default: all of the home]")
]
