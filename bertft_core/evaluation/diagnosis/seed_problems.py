"""Checks over seeds: broken runs, runs that learned nothing, spread against difference, too few of them."""

from __future__ import annotations

from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.evaluation.diagnosis.evidence import Diagnosis, Evidence, Verdict, longer, short, worst
from bertft_core.evaluation.diagnosis.usual_rates import usual_rates
from bertft_core.metrics.precision_recall import is_share

MANY_BROKEN = 0.1
WIDE_SD = 0.05
"""Standard deviation over seeds, of a score that is a share, that is a problem by itself."""
ENOUGH_SEEDS, FEWEST_SEEDS = 5, 3
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
    gains = evidence.summary.gains_over_majority
    if not gains:
        return None
    verdicts: list[Verdict] = []
    for gain in gains:
        ends = [evidence.sign * end for end in (gain.t_low, gain.t_high) if end is not None]
        better = min(ends, default=evidence.sign * gain.mean) > 0
        verdicts.append("ok" if better else "problem")
    behind = [gain.arm for gain, verdict in zip(gains, verdicts, strict=True) if verdict == "problem"]
    found = tuple(f"{gain.arm}: {evidence.told(gain.mean)} above the constant predictor" for gain in gains)
    hint = tuple(f"search the learning rate of {arm}, or train it longer: it has not learned the task" for arm in behind)
    return Diagnosis(check="above_constant", verdict=worst(verdicts), found=found, hint=hint)


def instability(evidence: Evidence) -> Diagnosis:
    """The spread over seeds within arms, and differences from the baseline that the comparison does not claim.

    Seeds needed are those of `summary.insights`, for 80 % power if the observed difference is the true one.
    """
    rows = [(arm.arm, row) for arm in evidence.summary.arms if (row := evidence.row(arm.arm)) is not None and row.sd is not None]
    if not rows:
        return Diagnosis(check="instability", verdict="ok", found=("fewer than two seeds with a score: no spread is known",))
    crossed = isinstance(evidence.study.seeds.design, CrossedDesign)  # then seeds are not added one by one
    runs = "runs" if crossed else "seeds"
    wide = [arm for arm, row in rows if row.sd is not None and row.sd >= WIDE_SD and is_share(evidence.study.metric)]
    found = [
        f"{arm}: sd {evidence.told(row.sd or 0.0)} over {row.n} {runs}, from {row.min:.3f} to {row.max:.3f}" for arm, row in rows
    ]
    hint, comparison, insights = [], evidence.summary.comparison, evidence.summary.insights
    pairs = () if comparison is None else comparison.headline_pairs
    inconclusive = [pair for pair in pairs if pair.baseline == evidence.summary.arms[0].arm and not pair.claimed]
    for pair in inconclusive:
        gap = f"{pair.arm} and {pair.baseline} differ by {evidence.told(pair.difference)} on average"
        p = "not tested" if pair.p_holm is None else f"p = {pair.p_holm:.3g} after Holm's correction"
        found.append(f"{gap} over {pair.n_seeds_arm} {runs}: {pair.verdict} ({p})")
        needed = [] if insights is None else [each for each in insights.seeds_needed if each.baseline == pair.baseline]
        n = next((each.n_for_observed for each in needed if each.arm == pair.arm), None)
        if crossed:
            hint.append(f"to compare {pair.arm} with {pair.baseline}, give every run seeds of its own: seeds.n without a grid")
        elif n is not None and n > pair.n_seeds_arm:
            hint.append(f"to detect that difference with 80 % power, {n} seeds are needed: --set seeds.n={n}")
    if wide:
        hint.append(
            f"more stable training of {', '.join(wide)}: more steps, a lower rate, or more data; report all seeds, never the best"
        )
    verdict: Verdict = "problem" if wide else "look" if inconclusive else "ok"
    return Diagnosis(check="instability", verdict=verdict, found=tuple(found), hint=tuple(hint))


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
