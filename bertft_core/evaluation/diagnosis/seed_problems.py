"""Checks over seeds: broken runs, runs that learned nothing, spread against difference, too few of them."""

from __future__ import annotations

import math

from scipy.special import stdtrit

from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.evaluation.diagnosis.evidence import Diagnosis, Evidence, Verdict, longer, short, worst
from bertft_core.evaluation.diagnosis.usual_rates import usual_rates
from bertft_core.planning.adaptive import interval_level
from bertft_core.records import Difference
from bertft_core.statistics.mean_intervals import LEVEL

MANY_BROKEN = 0.1
WIDE_SD = 0.05
"""Standard deviation over seeds, of a score that is a share, that is a problem by itself."""
ENOUGH_SEEDS, FEWEST_SEEDS = 5, 3
MANY_SEEDS = 1000
"""More than anybody would train."""
FEW_STEPS, LOW_RATE = 100, 2e-5
"""Under these, a run at the constant level has rather learned too little than been shaken."""
BROKEN = ("collapsed", "diverged", "failed", "missing")


def broken_runs(evidence: Evidence) -> Diagnosis:
    """Runs that ended at the level of the most frequent answer, without finite numbers, with an error, or not at all."""
    verdicts: list[Verdict] = []
    found, hint = [], []
    for arm in evidence.summary.arms:
        counts = {status: arm.counts.get(status, 0) for status in BROKEN if arm.counts.get(status, 0)}
        n_broken, n = sum(counts.values()), max(1, arm.n_planned)
        verdicts.append("problem" if n_broken >= MANY_BROKEN * n and n_broken else "look" if n_broken else "ok")
        told = ", ".join(f"{count} {status}" for status, count in counts.items())
        found.append(
            f"{arm.arm}: " + (f"{told} of {arm.n_planned}" if counts else f"{arm.n_planned} of {arm.n_planned} ended well")
        )
        if counts.get("collapsed") or counts.get("diverged"):
            hint += _against(evidence, arm.arm, diverged=bool(counts.get("diverged")))
        if counts.get("failed") or counts.get("missing"):
            hint.append(f"see why with: bertft status {evidence.study.name}; the same bertft run trains what is missing")
    return Diagnosis(check="broken_runs", verdict=worst(verdicts), found=tuple(found), hint=tuple(dict.fromkeys(hint)))


def _against(evidence: Evidence, arm: str, *, diverged: bool) -> list[str]:
    """What to change: gentler steps where they were too large, more of them where a run hardly learned."""
    strategies = {strategy.kind for strategy in evidence.study.arms[arm].strategies}
    training = evidence.study.training_of(arm, dict(evidence.sweeps[arm].chosen) if arm in evidence.sweeps else {})
    rate, n_steps = training.learning_rate, max((r.planned_steps for r in evidence.records if r.spec.arm == arm), default=0)
    if "legacy_adam" in strategies:
        return [f"take legacy_adam out of {arm}: without bias correction its first steps are too large (Mosbach 2021)"]
    searched = evidence.study.arms[arm].search
    in_search = searched is not None and "learning_rate" in searched.space
    key = f"--set arms.{arm}.{'search.space.learning_rate.high' if in_search else 'learning_rate'}"
    usual = usual_rates(evidence, arm)
    too_high = diverged or (usual is not None and rate > usual.high)
    if not too_high and ("feature_extraction" in strategies or n_steps < FEW_STEPS or rate < LOW_RATE):
        more = f"more steps ({longer(evidence, arm)}), or a higher rate ({key}={short(3 * rate)})"
        return [f"{arm} hardly learned in {n_steps} steps at {short(rate)}: {more}"]
    warmup = f"--set arms.{arm}.warmup_ratio={max(0.1, min(0.3, 2 * training.warmup_ratio)):g}"
    gentler = f"a lower rate ({key}={short(rate / 3)}), or a longer warm-up ({warmup})"
    return [f"{arm} took too large steps at {short(rate)}: {gentler}"]


def above_constant(evidence: Evidence) -> Diagnosis | None:
    """Arms that do no better than always answering the same."""
    if not evidence.summary.margins:
        return None
    verdicts: list[Verdict] = []
    for margin in evidence.summary.margins:
        ends = [evidence.sign * end for end in (margin.t_low, margin.t_high) if end is not None]
        better = min(ends, default=evidence.sign * margin.mean) > 0
        verdicts.append("ok" if better else "problem")
    behind = [m.arm for m, verdict in zip(evidence.summary.margins, verdicts, strict=True) if verdict == "problem"]
    found = tuple(margin.sentence.rstrip(".") for margin in evidence.summary.margins)
    hint = tuple(f"search the rate of {arm}, or train it longer: it has not learned the task" for arm in behind)
    return Diagnosis(check="above_constant", verdict=worst(verdicts), found=found, hint=hint)


def instability(evidence: Evidence) -> Diagnosis:
    """How much of what one sees is the seed: the spread within arms against the difference between them."""
    rows = [(arm.arm, row) for arm in evidence.summary.arms if (row := evidence.row(arm.arm)) is not None and row.sd is not None]
    if not rows:
        return Diagnosis(check="instability", verdict="ok", found=("fewer than two scored seeds, so no spread can be told",))
    shares_seeds = isinstance(evidence.study.seeds.design, CrossedDesign)  # then seeds are not added one by one
    runs = "runs" if shares_seeds else "seeds"
    wide = [arm for arm, row in rows if row.sd is not None and row.sd >= WIDE_SD and evidence.told(1.0).endswith("points")]
    found = [
        f"{arm}: sd {evidence.told(row.sd or 0.0)} over {row.n} {runs}, from {row.min:.3f} to {row.max:.3f}" for arm, row in rows
    ]
    unsure = [each for each in evidence.summary.differences if not _is_sure(each)]
    hint = []
    for each in unsure:
        if shares_seeds:
            hint.append(
                f"to tell {each.arm} from {each.baseline}, give every run seeds of its own: seeds.n without a crossed design"
            )
        if each.t_low is None:
            found.append(each.sentence)
            continue
        needed = None if shares_seeds else seeds_needed(each, interval_level(evidence.study))
        gap = f"{each.arm} and {each.baseline} differ by {evidence.told(each.mean)}"
        found.append(f"{gap}, which these {each.n} {runs} cannot tell from zero")
        if needed is not None and needed > each.n:
            hint.append(f"about {needed} seeds would tell {each.arm} from {each.baseline}: --set seeds.n={needed}")
    if wide:
        hint.append(
            f"steadier training of {', '.join(wide)}: more steps, a lower rate, or more data; report all seeds, never the best"
        )
    verdict: Verdict = "problem" if wide else "look" if unsure else "ok"
    return Diagnosis(check="instability", verdict=verdict, found=tuple(found), hint=tuple(hint))


def _is_sure(difference: Difference) -> bool:
    if difference.t_low is None or difference.t_high is None:
        return False
    return not difference.t_low <= 0.0 <= difference.t_high


def seeds_needed(difference: Difference, level: float = LEVEL) -> int | None:
    """Seeds whose t-interval would just leave zero out, if mean and spread stayed as they are; None where nothing differs.

    The difference's interval was made at `level`. Its half width, t(n - 1) · sd / √n, gives back the sd of the paired ones.
    Two seeds tell no spread to count on.
    """
    if difference.t_low is None or difference.t_high is None or difference.mean == 0 or difference.n < FEWEST_SEEDS:
        return None
    half = (difference.t_high - difference.t_low) / 2
    sd = half * math.sqrt(difference.n) / _t(difference.n, level)
    return next((n for n in range(2, MANY_SEEDS) if _t(n, level) * sd / math.sqrt(n) < abs(difference.mean)), None)


def _t(n: int, level: float) -> float:
    """Student's t for n values, with half of what lies outside the level above it."""
    return float(stdtrit(n - 1, 0.5 + level / 2))


def few_seeds(evidence: Evidence) -> Diagnosis:
    """Fewer runs than an interval needs."""
    counts = {arm.arm: sum(bool(seed.scores) for seed in arm.seeds) for arm in evidence.summary.arms}
    fewest = min(counts.values())
    verdict: Verdict = "problem" if fewest < FEWEST_SEEDS else "look" if fewest < ENOUGH_SEEDS else "ok"
    found = ", ".join(f"{arm} has {n} scored seeds" for arm, n in counts.items())
    crossed = isinstance(evidence.study.seeds.design, CrossedDesign)
    more = "more init or order seeds in seeds.design.crossed" if crossed else f"--set seeds.n={ENOUGH_SEEDS}"
    hint = () if verdict == "ok" else (f"{more} (what is trained already is kept)",)
    return Diagnosis(check="few_seeds", verdict=verdict, found=(found,), hint=hint)
