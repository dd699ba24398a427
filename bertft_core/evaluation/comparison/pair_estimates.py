"""The numbers of one pair on one metric: from scores and resampled scores to the fields of its record."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bertft_core.evaluation.comparison.seed_tests import SeedTestSettings, of_seeds
from bertft_core.metrics.precision_recall import Bools
from bertft_core.records.comparison_record import (
    Disagreement,
    IntervalEstimate,
    Resampled,
    ResampledDifference,
    WithoutCollapsed,
)
from bertft_core.statistics import disagreement
from bertft_core.statistics import multi_bootstrap as mb
from bertft_core.statistics.crossed_mean import crossed_mean
from bertft_core.statistics.resampling import Draws
from bertft_core.statistics.seeds_needed import MIN_SEEDS
from bertft_core.statistics.shared_by_runs import GridCell

UNTESTED: dict[str, Any] = {
    "crossed": True, "p_value": None, "p_of": None, "p_many_seeds": None, "tests": (), "stability": (), "aso": None
}  # fmt: skip
WITHOUT_INTERVAL: dict[str, Any] = {"both": None, "seeds": None, "seeds_share": None, "source": None}


class Sample(NamedTuple):
    """The compared seeds of one arm."""

    draws: Draws
    collapsed: tuple[bool, ...]
    """Of each seed."""
    right: Sequence[Bools] | None = None
    """Which examples each seed has right; None where that is not known."""
    cells: tuple[GridCell, ...] | None = None
    """(init, order) cell of each run of a crossed design."""


def estimate(arm: Sample, baseline: Sample, settings: SeedTestSettings) -> dict[str, Any]:
    """Every field of `PairComparison` that is a number of the scores; what cannot be computed is left out."""
    found = _resampled(arm, baseline, settings)
    scores, other_scores = arm.draws.scores, baseline.draws.scores
    share = found.seeds_share if found.seeds_share is not None and np.isfinite(found.seeds_share) else None
    both, over_seeds, over_examples = (
        resampled_difference(found.both),
        resampled_difference(found.seeds),
        resampled_difference(found.examples),
    )
    p_value, p_of = _largest_p(both, over_seeds, over_examples)
    numbers = of_seeds(scores, other_scores, settings) | {
        "mean_arm": float(scores.mean()),
        "mean_baseline": float(other_scores.mean()),
        "difference": found.difference,
        "both": both,
        "seeds": over_seeds,
        "examples": over_examples,
        "seeds_share": share,
        "source": None if share is None else "seeds" if share >= 0.5 else "examples",
        "p_many_seeds": found.p_many_seeds if both is not None else None,
        "n_resamples": settings.n_resamples if arm.draws.resampled is None else len(arm.draws.resampled),
        "p_value": p_value,
        "p_of": p_of,
        "disagreement": _disagreement(arm, baseline, settings) if settings.is_headline else None,
        "without_collapsed": _without_collapsed(arm, baseline, settings),
    }
    if arm.cells is None and baseline.cells is None:
        return numbers
    return _of_crossed(numbers, has_interval=_has_grid(arm, baseline, settings))


def _of_crossed(numbers: dict[str, Any], *, has_interval: bool) -> dict[str, Any]:
    """The fields of a pair whose runs share seeds; `has_interval` where `crossed_mean` gives one.

    Nothing is tested and nothing claimed: the tests over seeds (McNemar's too), almost stochastic order and the intervals of
    P(A > B) and of the ratio of sds assume independent runs. The descriptive numbers stay.
    """
    kept = numbers | UNTESTED | ({} if has_interval else WITHOUT_INTERVAL)
    for name in ("superiority", "sd_ratio"):
        found: IntervalEstimate | None = numbers[name]
        kept[name] = None if found is None else IntervalEstimate(value=found.value)
    shares: Disagreement | None = numbers["disagreement"]
    kept["disagreement"] = None if shares is None else shares.model_copy(update={"statistic": None, "p": None})
    return kept


def _resampled(arm: Sample, baseline: Sample, settings: SeedTestSettings) -> mb.MultiBootstrap:
    return mb.multi_bootstrap(
        arm.draws,
        baseline.draws,
        paired=settings.paired,
        bootstrap_seed=settings.bootstrap_seed,
        level=settings.level,
        n_resamples=settings.n_resamples,
        cells=arm.cells if _has_grid(arm, baseline, settings) else None,
    )


def _has_grid(arm: Sample, baseline: Sample, settings: SeedTestSettings) -> bool:
    """The runs are paired, of a crossed design, and enough for an interval."""
    if not settings.paired or arm.cells is None or arm.cells != baseline.cells:
        return False
    return crossed_mean(arm.draws.scores - baseline.draws.scores, arm.cells) is not None


def _largest_p(
    both: ResampledDifference | None, seeds: ResampledDifference | None, examples: ResampledDifference | None
) -> tuple[float | None, Resampled | None]:
    """The largest p-value and its source: a difference must hold for both sources together, and for each alone.

    In expectation both together vary more than either alone, so this costs almost no power. It matters where few seeds happen to
    score alike: their spread is then underestimated, and with it that of both. Seeds without any spread, with no examples
    resampled, say nothing about uncertainty: (None, None).
    """
    if examples is None and seeds is not None and seeds.low == seeds.high != 0:
        return None, None
    found: tuple[tuple[Resampled, ResampledDifference | None], ...]
    found = (("both", both), ("seeds", seeds), ("examples", examples))
    return max(((each.p, of) for of, each in found if each is not None), key=lambda p: p[0], default=(None, None))


def resampled_difference(found: mb.Resampled | None) -> ResampledDifference | None:
    """As a record; None where numbers overflow, as perplexities of hopeless models do."""
    if found is None:
        return None
    names = ("low", "high", "p", "percentile_low", "percentile_high", "percentile_p")
    values = {name: float(getattr(found, name)) for name in names}
    return ResampledDifference(**values) if np.isfinite(list(values.values())).all() else None


def _disagreement(arm: Sample, baseline: Sample, settings: SeedTestSettings) -> Disagreement | None:
    """How often both, one or none is right, in examples of one run; None where answers are not right or wrong."""
    if arm.right is None or baseline.right is None:
        return None
    right, other_right = np.stack(arm.right), np.stack(baseline.right)
    n, found = right.shape[1], disagreement.shares(right, other_right, paired=settings.paired)
    test = disagreement.clustered_mcnemar(right, other_right)
    return Disagreement(
        both_right=n * found.both_right,
        only_arm=n * found.only_first,
        only_baseline=n * found.only_second,
        both_wrong=n * found.both_wrong,
        statistic=test.statistic,
        p=test.p,
    )


def _without_collapsed(arm: Sample, baseline: Sample, settings: SeedTestSettings) -> WithoutCollapsed | None:
    """The pair without its collapsed runs; None where no run collapsed. Paired runs are left out together."""
    if not any(arm.collapsed) and not any(baseline.collapsed):
        return None
    kept, other_kept = (~np.array(sample.collapsed) for sample in (arm, baseline))
    if settings.paired:
        kept = other_kept = kept & other_kept
    arm, baseline = _rows(arm, kept), _rows(baseline, other_kept)
    n_arm, n_baseline = len(arm.draws.scores), len(baseline.draws.scores)
    if min(n_arm, n_baseline) == 0:
        return None
    difference = float(arm.draws.scores.mean() - baseline.draws.scores.mean())
    both = None
    crossed = arm.cells is not None or baseline.cells is not None
    if min(n_arm, n_baseline) >= MIN_SEEDS and (not crossed or _has_grid(arm, baseline, settings)):
        found = _resampled(arm, baseline, settings)
        both = resampled_difference(found.both) or resampled_difference(found.seeds)
    return WithoutCollapsed(n_seeds_arm=n_arm, n_seeds_baseline=n_baseline, difference=difference, both=both)


def _rows(sample: Sample, kept: Bools) -> Sample:
    cells = sample.cells
    cells = None if cells is None else tuple(cell for cell, is_kept in zip(cells, kept, strict=True) if is_kept)
    return Sample(sample.draws.of_seeds(kept), (), cells=cells)
