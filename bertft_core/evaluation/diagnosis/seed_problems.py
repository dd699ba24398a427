"""Checks over seeds: broken runs, runs that learned nothing, spread against difference, too few seeds."""

from collections.abc import Iterator
from typing import Any

from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.evaluation.diagnosis.data_problems import larger_split
from bertft_core.evaluation.diagnosis.findings import DiagnosisHint, Outcome, Outcomes, Verdict, finding, hint
from bertft_core.evaluation.diagnosis.hint_overrides import n_seeds, of_training, rounded, train_longer
from bertft_core.evaluation.diagnosis.stored_study import planned_steps, row_of, training_of, usual_rates
from bertft_core.metrics.bounds import is_share
from bertft_core.records.comparison_record import PairComparison
from bertft_core.storage.study_results import StudyResults

MANY_BROKEN = 0.1
WIDE_SD = 0.05
"""Standard deviation over seeds, of a score that is a share, that is a problem in itself."""
ENOUGH_SEEDS, FEWEST_SEEDS = 5, 3
FEW_STEPS, LOW_RATE = 100, 2e-5
"""Below these, a run at the majority level has learned too little rather than become unstable."""
LONG_WARMUP = 0.3
"""Longer ones are not advised."""
BROKEN = ("collapsed", "diverged", "failed", "missing")


def broken_runs(results: StudyResults) -> Outcomes:
    """Runs that ended at the majority level, with non-finite numbers, with an error, or not at all."""
    for arm in results.summary.arms:
        counts = {status: arm.counts[status] for status in BROKEN if arm.counts.get(status)}
        n_broken, hints = sum(counts.values()), []
        if "collapsed" in counts or "diverged" in counts:
            hints.append(_against_breaking(results, arm.arm, diverged="diverged" in counts))
        if "failed" in counts or "missing" in counts:
            hints.append(hint("see_status", study=results.study.name))
        verdict: Verdict = "ok" if not n_broken else "problem" if n_broken >= MANY_BROKEN * arm.n_planned else "look"
        yield Outcome(verdict, finding("statuses", arm=arm.arm, counts=counts, n=arm.n_planned), tuple(hints))


def _against_breaking(results: StudyResults, arm: str, *, diverged: bool) -> DiagnosisHint:
    """Gentler steps where they were too large, more or larger ones where a run hardly learned."""
    strategies = {strategy.kind for strategy in results.decided.study.arms[arm].strategies}
    if "legacy_adam" in strategies:
        return hint("remove_legacy_adam", arm=arm)
    training, n_steps = training_of(results, arm), planned_steps(results, arm)
    rate, usual = training.peak_learning_rate, usual_rates(results, arm)
    too_high = diverged or (usual is not None and rate > usual.high)
    if not too_high and ("feature_extraction" in strategies or n_steps < FEW_STEPS or rate < LOW_RATE):
        higher = of_training(results, arm, "learning_rate", min(1.0, rounded(3 * training.learning_rate)))
        return hint("learn_more", train_longer(results, arm), higher, arm=arm, n_steps=n_steps, rate=rate)
    gentler, warmup = [of_training(results, arm, "learning_rate", rounded(training.learning_rate / 3))], training.warmup_ratio
    if warmup < LONG_WARMUP:
        longer = max(0.1, min(LONG_WARMUP, rounded(2 * warmup)))
        gentler.append(of_training(results, arm, "warmup_ratio", longer))
    return hint("gentler_steps", *gentler, arm=arm, rate=rate)


def above_constant(results: StudyResults) -> Outcomes:
    """Arms that do no better than a constant prediction, or are not shown to."""
    metric, head = results.summary.headline_metric, results.study.head.kind
    fixed: dict[str, Any] = {"no_search": True} if results.study.seeds.splits is not None else {}
    for gain in results.summary.gains_over_majority:
        ends = [results.study.sign * end for end in (gain.t_low, gain.t_high) if end is not None]
        mean = results.study.sign * gain.mean
        verdict: Verdict = "problem" if mean <= 0 else "ok" if min(ends, default=mean) > 0 else "look"
        found = finding("gain", arm=gain.arm, gain=gain.mean, low=gain.t_low, high=gain.t_high, metric=metric, head=head)
        hints = {
            "problem": (hint("not_learned", arm=gain.arm, **fixed),),
            "look": (hint("barely_learned", arm=gain.arm, head=head, metric=metric, **fixed),),
            "ok": (),
        }
        yield Outcome(verdict, found, hints[verdict])


def instability(results: StudyResults) -> Outcomes:
    """The spread over seeds within arms, and differences from the baseline that the comparison does not claim.

    Seeds needed are those of `summary.insights`, for 80 % power if the observed difference is the true one.
    """
    summary, metric = results.summary, results.study.metric
    design = results.study.seeds.design
    crossed = isinstance(design, CrossedDesign)  # then seeds are not added one by one
    shared = _shares(results)
    rows = [(arm.arm, row) for arm in summary.arms if (row := row_of(results, arm.arm)) is not None and row.sd is not None]
    for arm, row in rows:
        wide = is_share(metric) and (row.sd or 0.0) >= WIDE_SD
        found = finding("spread", arm=arm, sd=row.sd, n=row.n, min=row.min, max=row.max, metric=metric, crossed=shared)
        yield Outcome("problem" if wide else "ok", found, (hint("more_stable", arm=arm),) if wide else ())
    if not rows:
        yield Outcome("ok", finding("no_spread", crossed=shared))
        return
    for pair in () if summary.comparison is None else summary.comparison.headline_pairs:
        if pair.baseline == summary.arms[0].arm and not pair.claimed:
            numbers: dict[str, Any] = {"difference": pair.difference, "n": pair.n_seeds_arm, "p_holm": pair.p_holm}
            numbers |= {"baseline": pair.baseline, "metric": metric, "verdict": pair.verdict, "crossed": shared}
            hints = tuple(_towards_a_claim(results, pair, crossed=crossed))
            yield Outcome("look", finding("not_claimed", arm=pair.arm, **numbers), hints)


def _shares(results: StudyResults) -> bool:
    """Runs share seeds or examples, and are not called seeds."""
    return isinstance(results.study.seeds.design, CrossedDesign) or results.study.seeds.splits is not None


def _towards_a_claim(results: StudyResults, pair: PairComparison, *, crossed: bool) -> Iterator[DiagnosisHint]:
    """How to come to a conclusion about a pair: with more seeds, where that is possible, or with more examples."""
    if crossed:
        yield hint("own_seeds", arm=pair.arm, baseline=pair.baseline)
        return
    if pair.splits is not None:
        yield hint("more_examples", arm=pair.arm, baseline=pair.baseline)
        return
    if results.summary.comparison is not None and pair.needs_examples(results.summary.comparison.level):
        yield larger_split(results, pair.split)
        return
    insights = results.summary.insights
    needed = [] if insights is None else [each for each in insights.seeds_needed if each.baseline == pair.baseline]
    n = next((each.n_for_observed for each in needed if each.arm == pair.arm), None)
    if n is not None and n > pair.n_seeds_arm:
        yield hint("more_seeds_for_power", *n_seeds(results.study, n), arm=pair.arm, baseline=pair.baseline, n=n)


def few_seeds(results: StudyResults) -> Outcomes:
    """Fewer runs than an interval needs."""
    counts = {arm.arm: sum(bool(seed.scores) for seed in arm.seeds) for arm in results.summary.arms}
    fewest = min(counts.values())
    verdict: Verdict = "problem" if fewest < FEWEST_SEEDS else "look" if fewest < ENOUGH_SEEDS else "ok"
    hints = () if verdict == "ok" else tuple(_towards_enough(results))
    yield Outcome(verdict, finding("scored_seeds", counts=counts, crossed=_shares(results)), hints)


def _towards_enough(results: StudyResults) -> Iterator[DiagnosisHint]:
    """Run what has no result yet; beyond that, add as many seeds as are still missing."""
    arms = results.summary.arms
    if results.study.is_selected:  # starting more would select harder, and give no interval
        yield hint("unselected_seeds", f"seeds={{n: {ENOUGH_SEEDS}}}")
        return
    unfinished = {arm.arm: sum(arm.counts.get(status, 0) for status in ("failed", "missing")) for arm in arms}
    if any(unfinished.values()):
        yield hint("see_status", study=results.study.name)
    short = max(ENOUGH_SEEDS - sum(bool(seed.scores) for seed in arm.seeds) - unfinished[arm.arm] for arm in arms)
    if short > 0 and isinstance(results.study.seeds.design, CrossedDesign):
        yield hint("more_crossed_seeds")
    elif short > 0 and results.study.seeds.splits is not None:
        yield hint("more_splits")
    elif short > 0:
        yield hint("more_seeds", *n_seeds(results.study, max(arm.n_planned for arm in arms) + short))
