"""`bertft seeds`: how many seeds an aim takes, and what those of a study can and cannot tell."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertft_core.config import UserError
from bertft_core.data.examples import did_you_mean
from bertft_core.evaluation.insights.aims import GIVEN, for_effect, for_effect_on, for_half_width, name_of
from bertft_core.evaluation.insights.seeds import CURVE, POWER, Place, seeds_needed
from bertft_core.evaluation.insights.studies import variance_between
from bertft_core.evaluation.summary import summarise
from bertft_core.records import StudySummary
from bertft_core.records.insights import SeedsFor, SeedsNeeded
from bertft_core.statistics.expected_best import trials_to_exceed
from bertft_core.statistics.seeds_needed import detectable_effect, half_width, seeds_for_winning
from flows.studies import StudyOnDisk, find_study

WINNING = 0.75
REACH = 0.95
ALPHA = 0.05


@dataclass(frozen=True)
class Wanted:
    """What is asked for on the command line."""

    sd: float | None = None
    effect: float | None = None
    half_width: float | None = None
    power: float = POWER
    paired: bool = True
    arm: str | None = None
    metric: str | None = None
    exceed: float | None = None


def seeds_command(names: Sequence[str], home: Path | None, wanted: Wanted, *, as_json: bool) -> int:
    """Print what the seeds of a study tell, or what a given spread takes."""
    _check(names, wanted)
    found = _of_study(names, home, wanted) if names else _of_sd(wanted)
    print(json.dumps(found["values"], indent=1) if as_json else "\n".join(found["lines"]))
    return 0


def _check(names: Sequence[str], wanted: Wanted) -> None:
    """Raise `UserError` for numbers that make no sense and for options that do not go together."""
    for name, value in (("--sd", wanted.sd), ("--effect", wanted.effect), ("--half-width", wanted.half_width)):
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise UserError(f"{name} must be a number above 0", found=f"{value:g}")
    if not ALPHA < wanted.power < 1:
        raise UserError(
            "--power must lie between 0.05, the level of the test, and 1", found=f"{wanted.power:g}", todo="0.8 is usual"
        )
    if bool(names) == (wanted.sd is not None):
        raise UserError(
            "seeds are counted from a study or from a spread, one of the two",
            found="both" if names else "neither",
            todo="bertft seeds STUDY, or bertft seeds --sd 0.02 --effect 0.01",
        )
    alone = [f"--{name}" for name in ("arm", "metric", "exceed") if getattr(wanted, name) is not None]
    if alone and not names:
        raise UserError(f"{', '.join(alone)} needs a study", found="none", todo="bertft seeds STUDY")


def _winning() -> str:
    n = math.ceil(seeds_for_winning(WINNING))
    share = f"{100 * WINNING:.0f} % of the pairs of runs"
    return f"to tell that one of two arms wins in {share}: {n} pairs, whatever the spread (Noether 1987; both risks 5 %)"


# From a spread


def _of_sd(wanted: Wanted) -> dict[str, Any]:
    sd = wanted.sd or 0.0
    aims = []
    if wanted.half_width is not None:
        aims.append(for_half_width(GIVEN, sd, wanted.half_width, None))
    if wanted.effect is not None:
        aims.append(for_effect(GIVEN, sd, wanted.effect, wanted.power, None, paired=wanted.paired))
    rows = [(n, half_width(n, sd), sd * detectable_effect(n, paired=wanted.paired, wanted=wanted.power)) for n in CURVE]
    kind = "paired differences" if wanted.paired else "each of two unpaired arms"
    lines = [f"an sd of {sd:g} ({kind})", ""] + [aim.sentence for aim in aims] + [_winning(), ""]
    lines += [f"{'seeds':>7}{'mean to ±':>12}   finds, power {100 * wanted.power:g} %"]
    lines += [f"{n:>7}{width:>12.4g}   {least:.4g}" for n, width, least in rows]
    table = [{"n": n, "half_width": width, "detectable": least} for n, width, least in rows]
    values = {
        "sd": sd,
        "paired": wanted.paired,
        "power": wanted.power,
        "aims": [aim.model_dump(mode="json") for aim in aims],
        "pairs_to_tell_a_winner": math.ceil(seeds_for_winning(WINNING)),
        "curve": table,
    }
    return {"lines": lines, "values": values}


# From a study


def _of_study(names: Sequence[str], home: Path | None, wanted: Wanted) -> dict[str, Any]:
    studies = [find_study(name, home) for name in dict.fromkeys(names)]
    summaries = [_summary(found) for found in studies]
    found, summary = studies[0], summaries[0]
    at = Place(_metric(found, summary, wanted.metric), summary.headline_split, summary.headline_checkpoint)
    _check_arm(summary, wanted.arm)
    needed = [each for each in seeds_needed(found.study, summary.arms, at) if wanted.arm in (None, each.arm)]
    aims = _aims(needed, wanted)
    between = (
        variance_between([(one.study, it) for one, it in zip(studies, summaries, strict=True)], at) if len(studies) > 1 else ()
    )
    insights = summary.insights
    schedules = [] if insights is None else [view for view in insights.start_many if wanted.arm in (None, view.arm)]
    variance = [] if insights is None else [each for each in insights.variance if wanted.arm in (None, each.arm)]
    exceeding = _exceeding(found, summary, wanted)
    lines = [f"{found.study.name}: {at.metric} on {at.split}, {at.checkpoint} checkpoint", "", "what these seeds tell"]
    lines += [f"  {each.sentence}" for each in needed] or [f"  {_nothing(found, summary, wanted)}"]
    lines += (
        ["", "how many it takes"]
        + [f"  {aim.sentence}" for aim in aims]
        + [f"  {_winning()}"]
        + [f"  {told}" for told in exceeding]
    )
    lines += _table(needed)
    lines += _section("where the variance comes from", [each.sentence for each in (*variance, *between)])
    lines += _section("start many, stop early, continue some", [view.sentence for view in schedules])
    values = {
        "study": found.study.name,
        "metric": at.metric,
        "split": at.split,
        "checkpoint": at.checkpoint,
        "seeds_needed": [each.model_dump(mode="json") for each in needed],
        "aims": [aim.model_dump(mode="json") for aim in aims],
        "pairs_to_tell_a_winner": math.ceil(seeds_for_winning(WINNING)),
        "variance": [each.model_dump(mode="json") for each in variance],
        "between_studies": [each.model_dump(mode="json") for each in between],
        "start_many": [view.model_dump(mode="json") for view in schedules],
    }
    return {"lines": lines, "values": values}


def _summary(found: StudyOnDisk) -> StudySummary:
    if found.card is None or not found.records:
        raise UserError(
            f"the study '{found.study.name}' has no runs yet", path=found.dir.path, todo="run it first: bertft run CONFIG"
        )
    sweeps = list(found.sweeps.values())
    chosen = {sweep.arm: sweep.chosen for sweep in sweeps}
    return summarise(found.study, found.card, found.planned, found.records, chosen, found.dir.run_dir, sweeps)


def _metric(found: StudyOnDisk, summary: StudySummary, asked: str | None) -> str:
    if asked is None:
        return summary.headline_metric
    prefix = f"{summary.headline_checkpoint}/{summary.headline_split}/"
    known = sorted(
        {key.removeprefix(prefix) for arm in summary.arms for seed in arm.seeds for key in seed.scores if key.startswith(prefix)}
    )
    if asked not in known:
        usual = [name for name in known if "/" not in name]
        raise UserError(
            f"no run of '{found.study.name}' has the metric '{asked}' on {summary.headline_split}",
            found=", ".join(usual) or "no scores at all",
            todo=did_you_mean(asked, known),
        )
    return asked


def _check_arm(summary: StudySummary, asked: str | None) -> None:
    names = [arm.arm for arm in summary.arms]
    if asked is not None and asked not in names:
        raise UserError(
            f"the study '{summary.study}' has no arm '{asked}'",
            found=f"the arms {', '.join(names)}",
            todo=did_you_mean(asked, names),
        )


def _aims(needed: Sequence[SeedsNeeded], wanted: Wanted) -> list[SeedsFor]:
    """Half width for each arm; the effect for the paired differences, or with --unpaired for each arm's own spread."""
    aims = []
    if wanted.half_width is not None:
        aims += [
            for_half_width(name_of(each), each.sd, wanted.half_width, each.metric, each.n)
            for each in needed
            if each.baseline is None
        ]
    if wanted.effect is not None:
        paired = [each for each in needed if each.baseline is not None]
        of = paired if wanted.paired and paired else [each for each in needed if each.baseline is None]
        aims += [for_effect_on(each, wanted.effect, wanted.power) for each in of]
    return aims


def _exceeding(found: StudyOnDisk, summary: StudySummary, wanted: Wanted) -> list[str]:
    """Runs until one is better than a validation score, by the best validation scores of each arm."""
    if wanted.exceed is None:
        return []
    sign = 1.0 if found.study.direction == "maximize" else -1.0
    told = []
    for arm in summary.arms:
        records = [found.records[seed.run_digest] for seed in arm.seeds if seed.run_digest in found.records and seed.scores]
        values = [sign * record.best_score for record in records if record.best_score is not None]
        if not values or wanted.arm not in (None, arm.arm) or found.study.is_selected:
            continue
        n = trials_to_exceed(values, sign * wanted.exceed, REACH)
        answer = "none of its runs is, so nothing can be said" if n is None else f"{n} runs"
        told.append(
            f"until a run of {arm.arm} is better than {wanted.exceed:g} ({found.study.metric}, validation) "
            f"with a probability of {100 * REACH:.0f} %: {answer}"
        )
    return told


def _nothing(found: StudyOnDisk, summary: StudySummary, wanted: Wanted) -> str:
    if found.study.is_selected:
        return "nothing: these seeds were selected (many started and the best went on), so they measure no spread"
    counts = ", ".join(
        f"{arm.arm} {sum(bool(seed.scores) for seed in arm.seeds)}" for arm in summary.arms if wanted.arm in (None, arm.arm)
    )
    return f"nothing: it takes three seeds with a score, and there are: {counts}"


def _table(needed: Sequence[SeedsNeeded]) -> list[str]:
    """What n seeds would give at the spreads that were seen."""
    shown = [each for each in needed if each.curve]
    if not shown:
        return []
    heads = [f"{each.arm} ±" if each.baseline is None else f"{name_of(each)} finds" for each in shown]
    lines = ["", "at the spread that was seen", f"  {'seeds':>5}  " + "  ".join(heads)]
    for place, n in enumerate(CURVE):
        cells = [
            point.half_width if each.baseline is None else point.detectable for each in shown if (point := each.curve[place])
        ]
        lines.append(f"  {n:>5}  " + "  ".join(f"{cell:>{len(head)}.4f}" for cell, head in zip(cells, heads, strict=True)))
    return lines


def _section(title: str, sentences: Sequence[str]) -> list[str]:
    return ["", title, *(f"  {sentence}" for sentence in sentences)] if sentences else []
