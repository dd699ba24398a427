"""`bertft seeds`: how many seeds an aim takes, and what those of a study can and cannot tell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bertft_core.config import UserError
from bertft_core.data.examples import did_you_mean
from bertft_core.evaluation.insights.between_studies import variance_between
from bertft_core.evaluation.insights.detectable_effect import CURVE, POWER, ArmMetric, seeds_needed
from bertft_core.evaluation.insights.power import GIVEN, for_effect, for_effect_on, for_half_width, name_of
from bertft_core.evaluation.summarize import summarize
from bertft_core.records import StudySummary
from bertft_core.records.insight_records import Insights, SeedsFor, SeedsNeeded, SeedsPoint
from bertft_core.records.seeds_answer import CountedForSpread, CountedSeeds
from bertft_core.report.seeds_text import seeds_text, spread_text
from bertft_core.statistics.expected_best import trials_to_exceed
from bertft_core.statistics.seeds_needed import detectable_effect, half_width, seeds_for_winning
from flows.cli.find_study import StudyOnDisk, find_study

REACH = 0.95
ALPHA = 0.05


@dataclass(frozen=True)
class SeedsRequest:
    """What is asked for on the command line."""

    sd: float | None = None
    effect: float | None = None
    half_width: float | None = None
    power: float = POWER
    paired: bool = True
    arm: str | None = None
    metric: str | None = None
    exceed: float | None = None


def seeds_command(names: Sequence[str], home: Path | None, wanted: SeedsRequest, *, as_json: bool) -> int:
    """Print what the seeds of a study tell, or what a given spread takes."""
    _check(names, wanted)
    counted = _of_study(names, home, wanted) if names else _of_spread(wanted)
    if as_json:
        print(counted.model_dump_json(indent=1))
    else:
        print(seeds_text(counted) if isinstance(counted, CountedSeeds) else spread_text(counted))
    return 0


def _check(names: Sequence[str], wanted: SeedsRequest) -> None:
    """Raise `UserError` for numbers that make no sense and for options that do not go together."""
    for name, value in (("--sd", wanted.sd), ("--effect", wanted.effect), ("--half-width", wanted.half_width)):
        if value is not None and not (value > 0 and math.isfinite(value)):
            raise UserError(f"{name} must be a number above 0", found=f"{value:g}")
    if not ALPHA < wanted.power < 1:
        raise UserError(
            "--power must lie between 0.05, the level of the test, and 1", found=f"{wanted.power:g}", hint="0.8 is usual"
        )
    if bool(names) == (wanted.sd is not None):
        raise UserError(
            "seeds are counted from a study or from a spread, one of the two",
            found="both" if names else "neither",
            hint="bertft seeds STUDY, or bertft seeds --sd 0.02 --effect 0.01",
        )
    alone = [f"--{name}" for name in ("arm", "metric", "exceed") if getattr(wanted, name) is not None]
    if alone and not names:
        raise UserError(f"{', '.join(alone)} needs a study", found="none", hint="bertft seeds STUDY")


def _of_spread(wanted: SeedsRequest) -> CountedForSpread:
    sd = wanted.sd or 0.0
    aims = []
    if wanted.half_width is not None:
        aims.append(for_half_width(GIVEN, sd, wanted.half_width, None))
    if wanted.effect is not None:
        aims.append(for_effect(GIVEN, sd, wanted.effect, wanted.power, None, paired=wanted.paired))
    detectable = {n: sd * detectable_effect(n, paired=wanted.paired, wanted=wanted.power) for n in CURVE}
    return CountedForSpread(
        sd=sd,
        paired=wanted.paired,
        power=wanted.power,
        aims=tuple(aims),
        pairs_to_tell_a_winner=math.ceil(seeds_for_winning()),
        curve=tuple(SeedsPoint(n=n, half_width=half_width(n, sd), detectable=least) for n, least in detectable.items()),
    )


def _of_study(names: Sequence[str], home: Path | None, wanted: SeedsRequest) -> CountedSeeds:
    """Of the first study; several also tell the variance between them."""
    studies = [
        (found.study, found, summarize(found.results())) for found in (find_study(name, home) for name in dict.fromkeys(names))
    ]
    study, found, summary = studies[0]
    _check_arm(summary, wanted.arm)
    at = ArmMetric(_metric(summary, wanted.metric), summary.headline_split, summary.headline_checkpoint)
    needed = tuple(each for each in seeds_needed(study, summary.arms, at) if wanted.arm in (None, each.arm))
    insights = summary.insights or Insights()
    between = variance_between([(one, told) for one, _, told in studies], at) if len(studies) > 1 else ()
    return CountedSeeds(
        study=study.name,
        metric=at.metric,
        split=at.split,
        checkpoint=at.checkpoint,
        seeds_needed=needed,
        nothing=None if needed else _nothing(found, summary, wanted),
        aims=tuple(_aims(needed, wanted)),
        pairs_to_tell_a_winner=math.ceil(seeds_for_winning()),
        exceeding=tuple(_exceeding(found, summary, wanted)),
        variance=tuple(each for each in insights.variance if wanted.arm in (None, each.arm)),
        between_studies=tuple(each for each in between if wanted.arm in (None, each.arm)),
        start_many=tuple(view for view in insights.start_many if wanted.arm in (None, view.arm)),
    )


def _metric(summary: StudySummary, asked: str | None) -> str:
    if asked is None:
        return summary.headline_metric
    prefix = f"{summary.headline_checkpoint}/{summary.headline_split}/"
    known = sorted(
        {key.removeprefix(prefix) for arm in summary.arms for seed in arm.seeds for key in seed.scores if key.startswith(prefix)}
    )
    if asked not in known:
        usual = [name for name in known if "/" not in name]
        raise UserError(
            f"no run of '{summary.study}' has the metric '{asked}' on {summary.headline_split}",
            found=", ".join(usual) or "no scores at all",
            hint=did_you_mean(asked, known),
        )
    return asked


def _check_arm(summary: StudySummary, asked: str | None) -> None:
    names = [arm.arm for arm in summary.arms]
    if asked is not None and asked not in names:
        raise UserError(
            f"the study '{summary.study}' has no arm '{asked}'",
            found=f"the arms {', '.join(names)}",
            hint=did_you_mean(asked, names),
        )


def _aims(needed: Sequence[SeedsNeeded], wanted: SeedsRequest) -> list[SeedsFor]:
    """Half width for each arm; the effect for the paired differences, or with --unpaired for each arm's own spread."""
    aims = []
    if wanted.half_width is not None:
        aims += [
            for_half_width(name_of(each), each.sd, wanted.half_width, each.metric, each.n, each.level)
            for each in needed
            if each.baseline is None
        ]
    if wanted.effect is not None:
        paired = [each for each in needed if each.baseline is not None]
        of = paired if wanted.paired and paired else [each for each in needed if each.baseline is None]
        aims += [for_effect_on(each, wanted.effect, wanted.power) for each in of]
    return aims


def _exceeding(found: StudyOnDisk, summary: StudySummary, wanted: SeedsRequest) -> list[str]:
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


def _nothing(found: StudyOnDisk, summary: StudySummary, wanted: SeedsRequest) -> str:
    if found.study.is_selected:
        return "nothing: these seeds were selected (many started and the best went on), so they measure no spread"
    counts = ", ".join(
        f"{arm.arm} {sum(bool(seed.scores) for seed in arm.seeds)}" for arm in summary.arms if wanted.arm in (None, arm.arm)
    )
    return f"nothing: it takes three seeds with a score, and there are: {counts}"
