"""`bertft recommend`: a study with the reason beside every choice, for a data file, a bundled set or another study."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.config import StudyConfig, UserError, load_study, parse_study
from bertft_core.config.overrides import apply_override
from bertft_core.config.yaml_text import read_value
from bertft_core.data.bundled import BUNDLED, bundled_files
from bertft_core.recipes.advice import Advice, Recommendation, advise
from bertft_core.recipes.data_files import data_values, study_name
from bertft_core.recipes.measure_data import data_profile_of
from bertft_core.recipes.study_yaml import comments_of, sources_of, values_of, yaml_of
from bertft_core.recipes.task_guess import guess
from bertft_core.recipes.wording import describe
from flows.cli.plan_command import print_plan
from tasks.home import home_dir

STDOUT = "-"
ABOUT_DATA = ("data", "encoder", "head", "name", "description", "seed", "headline", "execution", "retention", "tracking")
"""Sections that decide what is measured; overrides of the others apply to the recommendation alone."""
LONG_SECONDS = 1800.0
"""A study that takes longer is shown with a way to a first look."""
MEAN_POOLING = "mean pooling is what the encoders of sentence-transformers were trained with"


class RecommendRequest(NamedTuple):
    """The options of the command."""

    overrides: list[str]
    head: str | None
    text: list[str]
    label: str | None
    output: str | None
    force: bool


def recommend_command(source: str, home: Path | None, asked: RecommendRequest) -> int:
    """Measure, advise, write the study and say why; with `--output -` the study goes to stdout and the rest to stderr."""
    where = home_dir(home)
    is_config = Path(source).suffix in (".yaml", ".yml")
    study, told = _of_config(Path(source), asked) if is_config else _of_data(source, asked)
    output = None if asked.output == STDOUT else _output_path(source, study, asked, is_config=is_config)
    facts = data_profile_of(study, where)
    advice = _as_asked(study, advise(facts), is_config=is_config)
    text, values = _text(study, advice, asked.overrides, source, Path.cwd() if output is None else output.parent.resolve())
    recommended = parse_study(values, base_dir=Path.cwd() if output is None else output.parent)
    plan = io.StringIO()
    seconds = print_plan(recommended, where, file=plan)  # refuses what a run would refuse
    explanation = f"{describe(recommended, facts, advice, told)}\n\n{plan.getvalue()}"
    if output is None:
        print(text, end="")
        print(explanation, end="", file=sys.stderr)
        return 0
    output.write_text(text, encoding="utf-8")
    print(f"{explanation}\nwrote  {output}\nnext   bertft run {output}")
    if seconds > LONG_SECONDS:
        print(f"less   bertft run {output} {_first_look(recommended)}")
    return 0


def _first_look(study: StudyConfig) -> str:
    """Overrides for a first look in a fraction of the time; the seeds it trains are the first ones of the whole study."""
    searched = [name for name, arm in study.arms.items() if arm.search is not None]
    parts = ["seeds.n=3", *(f"arms.{name}.search.n_seeds=1" for name in searched)]
    return " ".join(f"--set {part}" for part in parts)


def _of_config(path: Path, asked: RecommendRequest) -> tuple[StudyConfig, tuple[str, ...]]:
    if asked.head or asked.text or asked.label:
        raise UserError(
            "a study says itself what its head and columns are",
            path=path,
            found="--head, --text or --label",
            hint="use --set, such as --set head=regression or --set data.label=COLUMN",
        )
    study = load_study(path, _about_data(asked.overrides))
    return study, (f"data, encoder, head and name are those of {path}; its arms ({', '.join(study.arms)}) are replaced",)


def _of_data(source: str, asked: RecommendRequest) -> tuple[StudyConfig, tuple[str, ...]]:
    """The least study of a file or a bundled set: where the data are, and what they tell of the head."""
    given = _given(asked)
    bundled = source in BUNDLED
    path = bundled_files(source)["train"] if bundled else Path(source)
    if not bundled and not path.is_file() and not path.suffix:
        bundled_files(source)  # says which there are
    found = guess(path, given, asked.head)
    data, told = ({"source": "bundled", "name": source}, ()) if bundled else data_values(path, found)
    if any(override.partition("=")[0].strip() == "data.test" for override in asked.overrides):
        data.pop("split", None)  # a test set is given, so none is cut
    values: dict[str, Any] = {
        "name": f"{source if bundled else study_name(path)}-recommended",
        "data": data | found.data,
        "head": {"kind": found.head},
        "arms": {"full": {}},
    }
    study = parse_study(values, _about_data(asked.overrides), path=source, base_dir=Path.cwd())
    return study, (*found.told, *told)


def _given(asked: RecommendRequest) -> dict[str, Any]:
    """Columns that the user named: by options, or as `--set data.KEY=`."""
    given: dict[str, Any] = {}
    for override in asked.overrides:
        key, equals, value = override.partition("=")
        if equals and re.fullmatch(
            r"data\.(text|label|tokens|tags|question|context|answers|id|format|scheme|text_unit)", key.strip()
        ):
            given[key.strip().removeprefix("data.")] = read_value(value)
    if len(asked.text) > 2:
        raise UserError(
            "a text or a pair of texts is read", found=f"--text {len(asked.text)} times", hint="name one or two columns"
        )
    if asked.text:
        given["text"] = asked.text[0] if len(asked.text) == 1 else asked.text
    return given | ({"label": asked.label} if asked.label else {})


def _about_data(overrides: Sequence[str]) -> list[str]:
    return [override for override in overrides if re.split(r"[.=\[]", override.strip(), maxsplit=1)[0] in ABOUT_DATA]


def _as_asked(study: StudyConfig, advice: Advice, *, is_config: bool) -> Advice:
    """The advice without what the study says itself (windows, another metric, a design of seeds); with pooling for a new head."""
    kept = {("metric",)} if study.metric != next(iter(study.head.metrics)) else set()
    if study.data.long_texts == "windows":
        kept |= {("data", "max_length"), ("data", "long_texts")}
    if study.seeds.design != "joint":
        kept.add(("seeds", "n"))
    choices = [choice for choice in advice.choices if choice.path not in kept]
    pools = getattr(study.head, "pooling", None) == "pooler"
    if pools and not is_config and study.encoder.checkpoint.startswith("sentence-transformers/") and study.encoder.path is None:
        choices.insert(0, Recommendation(path=("head", "pooling"), value="mean", why=MEAN_POOLING))
    return Advice(choices=tuple(choices), notes=advice.notes)


def _text(study: StudyConfig, advice: Advice, overrides: Sequence[str], source: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """The file's text and values, with `--set` on top of the advice."""
    values, comments = values_of(study, advice, folder=folder), comments_of(advice)
    for override in overrides:
        path = tuple(map(str, apply_override(values, override)))
        comments = {other: why for other, why in comments.items() if other[: len(path)] != path}
        comments[path] = "as asked for by --set"
    header = [f"Written by `bertft recommend {source}`: change what you know better, then `bertft run` it.", "", "Sources:"]
    return yaml_of(values, comments, [*header, *sources_of(advice)]), values


def _output_path(source: str, study: StudyConfig, asked: RecommendRequest, *, is_config: bool) -> Path:
    """Where the study goes: the file asked for, else beside the config or here; never over a file that is there."""
    if asked.output is not None:
        path = Path(asked.output)
    else:
        name = Path(source).stem if is_config else study.name
        path = Path(f"{name.removesuffix('-recommended')}-recommended.yaml")
        path = Path(source).parent / path if is_config else path
    if path.exists() and not asked.force:
        raise UserError("this file is there already", path=path, hint="name another --output, or use --force to overwrite it")
    if not path.parent.is_dir():
        raise UserError("there is no such folder", path=path.parent, hint="make it, or name another --output")
    if not os.access(path.parent, os.W_OK):
        raise UserError("nothing can be written there", path=path.parent, hint="name another file: --output FILE")
    return path
