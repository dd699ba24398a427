"""The commands that use the models of a study: on new examples, and elsewhere."""

from typing import Annotated

import typer

from flows.cli.arguments import Home, Json, StudyName

Arm = Annotated[str | None, typer.Option("--arm", metavar="ARM", help="An arm.  [default: the best on validation]")]


def predict(
    study: StudyName,
    source: Annotated[str, typer.Option("--input", metavar="FILE", help="Examples to predict; - is standard input.")],
    target: Annotated[
        str, typer.Option("--output", metavar="FILE", help="Where the predictions go; - is standard output.")
    ] = "-",
    arm: Arm = None,
    seed: Annotated[
        int | None, typer.Option("--seed", metavar="N", help="A seed's index.  [default: the best on validation]")
    ] = None,
    ensemble: Annotated[bool, typer.Option("--ensemble", help="All seeds whose models were kept, together.")] = False,
    file_format: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="Format of the input.  [default: by the ending, or the first character]"),
    ] = None,
    home: Home = None,
) -> None:
    """Predict new examples with the models of a study.

    One JSON object a line. Examples come in the study's own formats; labels may be missing.
    """
    from bertft_core.library.chosen_runs import PredictRequest
    from flows.cli.predict_command import predict_command

    wanted = PredictRequest(arm, seed, ensemble)
    raise typer.Exit(predict_command(study, home, source=source, target=target, file_format=file_format, wanted=wanted))


def export(
    study: StudyName,
    target: Annotated[str, typer.Option("--to", metavar="DIR", help="A new or empty folder; nothing is overwritten.")],
    arm: Arm = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", "--seed-index", metavar="N", help="A seed's index.  [default: the best on validation]"),
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--license", metavar="ID", help="The hub's id of a licence, for the card.")
    ] = None,
    languages: Annotated[
        list[str] | None, typer.Option("--language", metavar="CODE", help="Language of the texts, for the card. Repeatable.")
    ] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Write a kept model and its card for the Hugging Face hub.

    Model, tokenizer and configuration open with plain transformers; where the head needs bertft, the card says so. Nothing is
    uploaded: the command of the hub's own client is printed.
    """
    from bertft_core.library.chosen_runs import PredictRequest
    from flows.cli.export_command import export_command

    wanted = PredictRequest(arm, seed, ensemble=False)
    raise typer.Exit(export_command(study, home, target, wanted, licence=licence, languages=languages or [], as_json=as_json))
