"""`bertft recommend`: a study with the reason beside every choice, for a data file, a bundled set or another study."""

import io
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bertft_core.config import StudyConfig, UserError, parse_study
from bertft_core.config.overrides import apply_override
from bertft_core.config.ready_studies import ready_names
from bertft_core.config.split_designs import Folds, Resamples
from bertft_core.data.bundled import BUNDLED, bundled_files
from bertft_core.library.study_on_disk import is_config as is_config_file
from bertft_core.library.study_on_disk import known_studies
from bertft_core.recipes.advice import Advice, SettingChoice
from bertft_core.recipes.advice import advise as advice_for
from bertft_core.recipes.cross_validation import cross_validated, is_cross_validated, leaves_open
from bertft_core.recipes.data_files import data_values, study_name
from bertft_core.recipes.data_profile import DataProfile
from bertft_core.recipes.measure_data import arm_steps, data_profile_of
from bertft_core.recipes.reasons import Reason, because
from bertft_core.recipes.study_yaml import in_encoding, values_of, yaml_of
from bertft_core.recipes.task_guess import guess
from bertft_core.report.prose import recipe_reasons, recipe_text
from bertft_core.report.prose.data_card_text import findings_lines
from bertft_core.storage.home_folder import home_dir
from bertft_core.storage.output_file import is_special, write_output
from bertft_core.training.trial_step import prepare_in_passing
from flows.cli.find_study import load_config
from flows.cli.plan_command import print_plan
from flows.cli.recommend_request import RecommendRequest, given_keys, output_path
from flows.cli.terminal import advise, say, say_json

STDOUT = "-"
IMPOSSIBLE_SPLITS = ("split.untrained-label", "split.empty-part")
"""Refusals of a split design for data of which a test set can be cut."""
ABOUT_DATA = ("data", "encoder", "head", "name", "description", "seed", "headline", "execution", "retention", "tracking")
"""Sections that decide what is measured; overrides of the others only apply to the recommendation."""
LONG_SECONDS = 1800.0
"""A study that takes longer is printed with the overrides of a shorter trial."""


def recommend_command(source: str, home: Path | None, asked: RecommendRequest, *, as_json: bool = False) -> int:
    """Measure, advise, write the study and explain it; with `--output -` the study goes to stdout and the rest to stderr."""
    where = home_dir(home)
    is_config = is_a_config(source, where)
    study, concluded = _of_config(Path(source), asked, where) if is_config else _of_data(source, asked)
    output = None if asked.output == STDOUT else output_path(source, study, asked, where)
    profile = data_profile_of(study, where)
    if not is_config and is_cross_validated(study, profile) and leaves_open(asked.overrides):
        study, profile, concluded = _cross_validated(study, profile, concluded, where)
    advice = _adapted(study, advice_for(profile), is_config=is_config)
    folder = Path.cwd() if output is None or is_special(output) else output.parent
    text, values = _text(study, advice, asked.overrides, source, folder.resolve())
    recommended = parse_study(values, base_dir=folder)
    plan = io.StringIO()
    seconds = print_plan(recommended, where, file=plan)  # refuses what a run would refuse
    if as_json:
        if output is not None:
            write_output(output, text, "--output")
        say_json(_values(recommended, advice, concluded, output) | {"seconds": seconds, "yaml": text})
        return 0
    steps = arm_steps(recommended, profile.n_train)
    card = prepare_in_passing(recommended, home_dir=where)
    findings = "\n".join(findings_lines(card))  # those of check-data on the written study
    explanation = "\n\n".join([recipe_text.describe(recommended, profile, advice, steps, concluded), findings, plan.getvalue()])
    if output is None or is_special(output):
        say(explanation, end="", file=sys.stderr)
        sys.stdout.write(in_encoding(text, sys.stdout.encoding or "utf-8")) if output is None else write_output(
            output, text, "--output"
        )
        return 0
    write_output(output, text, "--output")
    advise(f"{explanation}\n")
    say(f"wrote  {output}")
    advise(f"next   {shlex.join(['bertft', 'run', str(output)])}")
    if seconds > LONG_SECONDS:
        advise(f"short  {shlex.join(['bertft', 'run', str(output)])} {_short_trial(recommended)}")
    return 0


def _values(study: StudyConfig, advice: Advice, concluded: tuple[Reason, ...], output: Path | None) -> dict[str, Any]:
    """For programs: where the study is, and the reason of each of its keys."""
    return {
        "study": study.name,
        "path": None if output is None else str(output),
        "choices": [{"key": ".".join(path), "reason": why} for path, why in recipe_reasons.comments(advice).items()],
        "notes": [recipe_reasons.reason(each) for each in (*concluded, *advice.notes)],
    }


def _cross_validated(
    study: StudyConfig, profile: DataProfile, concluded: tuple[Reason, ...], home: Path
) -> tuple[StudyConfig, DataProfile, tuple[Reason, ...]]:
    """The study with a split design, or as it was where a split would lack a label or a part."""
    tested = cross_validated(study)
    try:
        measured = data_profile_of(tested, home)
    except UserError as refused:
        if refused.code not in IMPOSSIBLE_SPLITS:
            raise
        return study, profile, concluded
    return tested, measured, tuple(reason for reason in concluded if reason.rule != "validation_and_test_cut")


def _short_trial(study: StudyConfig) -> str:
    """Overrides that take a fraction of the time; the seeds they train are the first ones of the whole study."""
    if (splits := study.seeds.splits) is not None:
        fewer = "repeats=1" if isinstance(splits, Folds) else "resamples=5" if isinstance(splits, Resamples) else "bootstrap=5"
        return f"--set seeds.design.split.{fewer}"
    searched = [name for name, arm in study.arms.items() if arm.search is not None]
    parts = ["seeds.n=3", *(f"arms.{name}.search.n_seeds=1" for name in searched)]
    return " ".join(f"--set {part}" for part in parts)


def is_a_config(source: str, home: Path) -> bool:
    """A study is meant: its file, or its name where no data have it."""
    are_data = source in BUNDLED or Path(source).is_file()
    return is_config_file(source) or (not are_data and (source in ready_names() or source in known_studies(home)))


def _of_config(path: Path, asked: RecommendRequest, home: Path) -> tuple[StudyConfig, tuple[Reason, ...]]:
    if asked.head or asked.text or asked.label:
        raise UserError(
            "a study config already names its head and columns",
            code="recommend.config-with-columns",
            path=path,
            found="--head, --text or --label",
            hint="use --set, such as --set head=regression or --set data.label=COLUMN",
        )
    study = load_config(path, _about_data(asked.overrides), home)
    return study, (because("kept_from_config", path=path, arms=list(study.arms)),)


def _of_data(source: str, asked: RecommendRequest) -> tuple[StudyConfig, tuple[Reason, ...]]:
    """The smallest study of a file or a bundled set: where the data are, and the head that fits them."""
    given = given_keys(asked)
    bundled = source in BUNDLED
    path = bundled_files(source)["train"] if bundled else Path(source)
    if not bundled and not path.exists() and not path.suffix:
        bundled_files(source)  # raises with the names that exist
    found = guess(path, given, asked.head)
    data, reasons = ({"source": "bundled", "name": source}, ()) if bundled else data_values(path, found.head, found.data)
    if any(override.partition("=")[0].strip() == "data.test" for override in asked.overrides):
        data.pop("split", None)  # a test set is given, so none is cut
    values: dict[str, Any] = {
        "name": f"{source if bundled else study_name(path)}-recommended",
        "data": data | found.data,
        "head": {"kind": found.head},
        "arms": {"full": {}},
    }
    study = parse_study(values, _about_data(asked.overrides), path=source, base_dir=Path.cwd())
    return study, (*found.conclusions, *reasons)


def _about_data(overrides: Sequence[str]) -> list[str]:
    return [override for override in overrides if re.split(r"[.=\[]", override.strip(), maxsplit=1)[0] in ABOUT_DATA]


def _adapted(study: StudyConfig, advice: Advice, *, is_config: bool) -> Advice:
    """The advice without what the study itself sets (windows, another metric, a seed design); with pooling for a new head."""
    kept: set[tuple[str, ...]] = {("metric",)} if study.metric != next(iter(study.head.metrics)) else set()
    if study.data.long_texts == "windows":
        kept |= {("data", "max_length"), ("data", "long_texts")}
    if study.seeds.design != "joint" and is_config:
        kept |= {("seeds", "n"), ("seeds", "design")}
    choices = [choice for choice in advice.choices if choice.path not in kept]
    pools = getattr(study.head, "pooling", None) == "pooler"
    if pools and not is_config and study.encoder.checkpoint.startswith("sentence-transformers/") and study.encoder.path is None:
        choices.insert(0, SettingChoice(("head", "pooling"), "mean", because("mean_pooling")))
    return Advice(choices=tuple(choices), notes=advice.notes)


def _text(study: StudyConfig, advice: Advice, overrides: Sequence[str], source: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """The file's text and values, with `--set` on top of the advice."""
    values, comments = values_of(study, advice, folder=folder), recipe_reasons.comments(advice)
    for override in overrides:
        path = tuple(map(str, apply_override(values, override)))
        comments = {other: why for other, why in comments.items() if other[: len(path)] != path}
        comments[path] = recipe_reasons.reason(because("set"))
    header = [f"Written by `bertft recommend {source}`. Edit as you see fit, then `bertft run` it.", "", "Sources:"]
    return yaml_of(values, comments, [*header, *recipe_reasons.references(advice)]), values
