"""`bertft seeds`: how many seeds are needed, and what those of a study can detect."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.config.study_config import StudyConfig
from bertft_core.evaluation.insights.between_studies import variance_between
from bertft_core.evaluation.insights.detectable_effect import CURVE, POWER, ArmMetric, seeds_needed, without_useless_seeds
from bertft_core.evaluation.insights.power import for_effect, for_half_width
from bertft_core.evaluation.summarize import evaluated, summarize
from bertft_core.records import StudySummary
from bertft_core.records.insight_records import Insights, SeedsFor, SeedsNeeded, SeedsPoint
from bertft_core.records.seeds_answer import CountedForSpread, CountedSeeds, RunsToExceed
from bertft_core.report.seeds_text import seeds_text, spread_text
from bertft_core.statistics.expected_best import trials_to_exceed
from bertft_core.statistics.seeds_needed import detectable_effect, half_width, seeds_for_winning
from bertft_core.storage.study_dir import read_record
from bertft_core.storage.study_results import StudyResults
from flows.cli.find_study import find_study
from flows.cli.terminal import say, say_json

REACH = 0.95
ALPHA = 0.05
LEAST, MOST = 1e-9, 1e9
"""Of a spread and of a difference: what a metric can have, and nothing that overflows when one is divided by the other."""


@dataclass(frozen=True)
class SeedsRequest:
    """The options of the command line."""

    sd: float | None = None
    effect: float | None = None
    half_width: float | None = None
    power: float = POWER
    paired: bool = True
    arm: str | None = None
    metric: str | None = None
    exceed: float | None = None

    def includes(self, arm: str) -> bool:
        """The request is about this arm, or about all."""
        return self.arm in (None, arm)


def seeds_command(names: Sequence[str], home: Path | None, request: SeedsRequest, *, as_json: bool) -> int:
    """Print what the seeds of a study can detect, or how many seeds a given spread needs."""
    _check(names, request)
    counted = _of_study(names, home, request) if names else _of_spread(request)
    if as_json:
        say_json(counted.model_dump_json(indent=1))
    else:
        say(seeds_text(counted) if isinstance(counted, CountedSeeds) else spread_text(counted))
    return 0


def _check(names: Sequence[str], request: SeedsRequest) -> None:
    """Raise `UserError` for invalid numbers and for options that cannot be combined."""
    for name, value in (("--sd", request.sd), ("--effect", request.effect), ("--half-width", request.half_width)):
        if value is not None and not LEAST <= value <= MOST:
            raise UserError(
                f"{name} must be a number above 0",
                code="seeds.not-positive",
                found=f"{value:g}",
                expected=f"a number from {LEAST:g} to {MOST:g}",
                hint="give it in units of the metric, such as 0.01",
            )
    if request.exceed is not None and not math.isfinite(request.exceed):
        raise UserError(
            "--exceed must be a score",
            code="seeds.exceed-not-finite",
            found=f"{request.exceed:g}",
            expected="a number",
            hint="give a validation score, such as 0.9",
        )
    if not ALPHA < request.power < 1:
        raise UserError(
            "--power must be between 0.05, the level of the test, and 1",
            code="seeds.power",
            found=f"{request.power:g}",
            hint="0.8 is usual",
        )
    if bool(names) == (request.sd is not None):
        raise UserError(
            "give either a study or a spread (--sd)",
            code="seeds.study-or-spread",
            found="both" if names else "neither",
            hint="use bertft seeds STUDY, or bertft seeds --sd 0.02 --effect 0.01",
        )
    alone = [f"--{name}" for name in ("arm", "metric", "exceed") if getattr(request, name) is not None]
    if alone and not names:
        needs = "needs" if len(alone) == 1 else "need"
        raise UserError(
            f"{', '.join(alone)} {needs} a study",
            code="seeds.needs-study",
            found="no study",
            hint=f"name one: bertft seeds STUDY {alone[0]} …",
        )


def _of_spread(request: SeedsRequest) -> CountedForSpread:
    sd = request.sd or 0.0
    aims = []
    if request.half_width is not None:
        aims.append(for_half_width(sd, request.half_width))
    if request.effect is not None:
        aims.append(for_effect(sd, request.effect, request.power, paired=request.paired))
    detectable = {n: sd * detectable_effect(n, paired=request.paired, wanted=request.power) for n in CURVE}
    return CountedForSpread(
        sd=sd,
        paired=request.paired,
        power=request.power,
        aims=tuple(aims),
        pairs_to_tell_a_winner=math.ceil(seeds_for_winning()),
        curve=tuple(SeedsPoint(n=n, half_width=half_width(n, sd), detectable=least) for n, least in detectable.items()),
    )


def _of_study(names: Sequence[str], home: Path | None, request: SeedsRequest) -> CountedSeeds:
    """Of the first study; with several, also the variance between them."""
    first, *others = (find_study(name, home).intact().results() for name in dict.fromkeys(names))
    compared = evaluated(first, read_record(first.study_dir.summary_path, StudySummary))
    studies = [compared, *(results.with_summary(summarize(results)) for results in others)]
    study, summary = compared.study, compared.summary
    _check_arm(summary, request.arm)
    at = ArmMetric(_metric(summary, request.metric), summary.headline_split, summary.headline_checkpoint)
    needed = tuple(each for each in seeds_needed(study, summary.arms, at) if request.includes(each.arm))
    if summary.comparison is not None:
        needed = without_useless_seeds(needed, summary.comparison)
    insights = summary.insights or Insights()
    between = variance_between([(each.study, each.summary) for each in studies], at) if len(studies) > 1 else ()
    return CountedSeeds(
        study=study.name,
        metric=at.metric,
        split=at.split,
        checkpoint=at.checkpoint,
        seeds_needed=needed,
        nothing=None if needed else _why_nothing(study),
        n_scored={arm.arm: sum(bool(seed.scores) for seed in arm.seeds) for arm in summary.arms if request.includes(arm.arm)},
        aims=tuple(_aims(needed, request)),
        pairs_to_tell_a_winner=math.ceil(seeds_for_winning()),
        exceeding=tuple(_exceeding(studies[0], request)),
        variance=tuple(each for each in insights.variance if request.includes(each.arm)),
        between_studies=tuple(each for each in between if request.includes(each.arm)),
        start_many=tuple(view for view in insights.start_many if request.includes(view.arm)),
    )


def _why_nothing(study: StudyConfig) -> Literal["selected_seeds", "split_design", "few_seeds"]:
    if study.is_selected:
        return "selected_seeds"
    return "few_seeds" if study.seeds.splits is None else "split_design"


def _metric(summary: StudySummary, metric: str | None) -> str:
    if metric is None:
        return summary.headline_metric
    prefix = f"{summary.headline_checkpoint}/{summary.headline_split}/"
    keys = (key for arm in summary.arms for seed in arm.seeds for key in seed.scores)
    known = sorted({key.removeprefix(prefix) for key in keys if key.startswith(prefix)})
    if metric not in known:
        usual = [name for name in known if "/" not in name]
        raise UserError(
            f"no run of '{summary.study}' has the metric '{metric}' on {summary.headline_split}",
            code="seeds.no-metric",
            found=", ".join(usual) or "no scores at all",
            hint=did_you_mean(metric, known) or "use one of these",
        )
    return metric


def _check_arm(summary: StudySummary, arm: str | None) -> None:
    names = [known.arm for known in summary.arms]
    if arm is not None and arm not in names:
        raise UserError(
            f"the study '{summary.study}' has no arm '{arm}'",
            code="seeds.unknown-arm",
            found=f"the arms {', '.join(names)}",
            hint=did_you_mean(arm, names) or "use one of these",
        )


def _aims(needed: Sequence[SeedsNeeded], request: SeedsRequest) -> list[SeedsFor]:
    """Half width for each arm; the effect for the paired differences, or with --unpaired for each arm's own spread."""
    own = [each for each in needed if each.baseline is None]
    paired = [each for each in needed if each.baseline is not None] if request.paired else []
    aims = []
    if request.half_width is not None:
        aims += [for_half_width(each, request.half_width) for each in own]
    if request.effect is not None:
        aims += [for_effect(each, request.effect, request.power, paired=bool(paired)) for each in paired or own]
    return aims


def _exceeding(results: StudyResults, request: SeedsRequest) -> Iterator[RunsToExceed]:
    """Runs until one is better than a validation score, from the best validation scores of each arm."""
    if request.exceed is None or results.study.is_selected:
        return
    for arm in results.summary.arms:
        records = [results.records[seed.run_digest] for seed in arm.seeds if seed.run_digest in results.records and seed.scores]
        values = [results.study.sign * record.best_score for record in records if record.best_score is not None]
        if values and request.includes(arm.arm):
            yield RunsToExceed(
                arm=arm.arm,
                metric=results.study.metric,
                score=request.exceed,
                probability=REACH,
                n_needed=trials_to_exceed(values, results.study.sign * request.exceed, REACH),
            )
