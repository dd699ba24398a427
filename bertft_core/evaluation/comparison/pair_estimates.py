"""The numbers of one pair on one metric: from scores and draws to the fields of its record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bertft_core.evaluation.comparison.compared_arms import MIN_SEEDS
from bertft_core.evaluation.comparison.seed_tests import SeedTestSettings, of_seeds
from bertft_core.evaluation.comparison.shared_seeds import of_shared_seeds
from bertft_core.metrics.precision_recall import Bools
from bertft_core.records.comparison_record import Disagreement, ResampledDifference, WithoutCollapsed
from bertft_core.statistics import disagreement
from bertft_core.statistics import multi_bootstrap as mb
from bertft_core.statistics.complete_grid import GridCell
from bertft_core.statistics.crossed_mean import crossed_mean
from bertft_core.statistics.resampling import Draws


class Sample(NamedTuple):
    """The compared seeds of one side."""

    draws: Draws
    collapsed: tuple[bool, ...]
    """Of each seed."""
    right: Sequence[Bools] | None = None
    """Which examples each seed has right; None where that is not known."""
    cells: tuple[GridCell, ...] | None = None
    """(init, order) place of each run of a crossed design."""


def estimate(arm: Sample, baseline: Sample, how: SeedTestSettings) -> dict[str, Any]:
    """Every field of `PairComparison` that is a number of the scores; what cannot be computed is left out."""
    found = _resampled(arm, baseline, how)
    ours, theirs = arm.draws.scores, baseline.draws.scores
    share = found.seeds_share if found.seeds_share is not None and np.isfinite(found.seeds_share) else None
    both, over_seeds, over_examples = _record(found.both), _record(found.seeds), _record(found.examples)
    p_value, p_of = _verdict(both, over_seeds, over_examples)
    numbers = of_seeds(ours, theirs, how) | {
        "mean_arm": float(ours.mean()),
        "mean_baseline": float(theirs.mean()),
        "difference": found.difference,
        "both": both,
        "seeds": over_seeds,
        "examples": over_examples,
        "seeds_share": share,
        "source": None if share is None else "seeds" if share >= 0.5 else "examples",
        "p_value": p_value,
        "p_of": p_of,
        "disagreement": _disagreement(arm, baseline, how) if how.is_headline else None,
        "without_collapsed": _second_look(arm, baseline, how),
    }
    shared = arm.cells is not None or baseline.cells is not None
    return of_shared_seeds(numbers, has_interval=has_grid(arm, baseline, how)) if shared else numbers


def _resampled(arm: Sample, baseline: Sample, how: SeedTestSettings) -> mb.MultiBootstrap:
    return mb.multi_bootstrap(
        arm.draws,
        baseline.draws,
        paired=how.paired,
        bootstrap_seed=how.bootstrap_seed,
        level=how.level,
        n_resamples=how.n_resamples,
        cells=arm.cells if has_grid(arm, baseline, how) else None,
    )


def has_grid(arm: Sample, baseline: Sample, how: SeedTestSettings) -> bool:
    """The runs are of a crossed design, paired, and enough of them for an interval."""
    gaps_have = how.paired and arm.cells is not None and arm.cells == baseline.cells
    return gaps_have and crossed_mean(arm.draws.scores - baseline.draws.scores, arm.cells or ()) is not None


def _verdict(
    both: ResampledDifference | None, seeds: ResampledDifference | None, examples: ResampledDifference | None
) -> tuple[float | None, str | None]:
    """The largest p-value and of what it is: a difference must hold for both sources, and for each alone.

    In expectation both together vary more than either alone, so this costs next to nothing. It matters where few seeds score
    alike by chance: their spread is then too small, and with it that of both. Seeds without any spread, and nothing beside them,
    say nothing of how sure a difference is: (None, None).
    """
    if examples is None and seeds is not None and seeds.low == seeds.high != 0:
        return None, None
    found = (("seeds and examples resampled", both), ("seeds resampled", seeds), ("examples resampled", examples))
    return max(((each.p, of) for of, each in found if each is not None), key=lambda p: p[0], default=(None, None))


def _record(found: mb.Resampled | None) -> ResampledDifference | None:
    """As a record; None for what overflows, as perplexities of hopeless models do."""
    if found is None:
        return None
    names = ("low", "high", "p", "percentile_low", "percentile_high", "percentile_p")
    values = {name: float(getattr(found, name)) for name in names}
    return ResampledDifference(**values) if np.isfinite(list(values.values())).all() else None


def _disagreement(arm: Sample, baseline: Sample, how: SeedTestSettings) -> Disagreement | None:
    """SeedTestSettings often both, one or none is right, in examples of one run; None where answers are not right or wrong."""
    if arm.right is None or baseline.right is None:
        return None
    ours, theirs = np.stack(arm.right), np.stack(baseline.right)
    n, found = ours.shape[1], disagreement.shares(ours, theirs, paired=how.paired)
    test = disagreement.clustered_mcnemar(ours, theirs)
    return Disagreement(
        both_right=n * found.both_right,
        only_arm=n * found.only_first,
        only_baseline=n * found.only_second,
        both_wrong=n * found.both_wrong,
        statistic=test.statistic,
        p=test.p,
    )


def _second_look(arm: Sample, baseline: Sample, how: SeedTestSettings) -> WithoutCollapsed | None:
    """The pair without its collapsed runs; None where no run collapsed. A pair of runs stays together."""
    if not any(arm.collapsed) and not any(baseline.collapsed):
        return None
    left = [~np.array(side.collapsed) for side in (arm, baseline)]
    if how.paired:
        left = [left[0] & left[1]] * 2
    sides = [_taken(side, rows) for side, rows in zip((arm, baseline), left, strict=True)]
    n_arm, n_baseline = (len(side.draws.scores) for side in sides)
    if min(n_arm, n_baseline) == 0:
        return None
    difference = float(sides[0].draws.scores.mean() - sides[1].draws.scores.mean())
    both = None
    shared = arm.cells is not None or baseline.cells is not None
    if min(n_arm, n_baseline) >= MIN_SEEDS and (not shared or has_grid(sides[0], sides[1], how)):
        found = _resampled(sides[0], sides[1], how)
        both = _record(found.both) or _record(found.seeds)
    return WithoutCollapsed(n_seeds_arm=n_arm, n_seeds_baseline=n_baseline, difference=difference, both=both)


def _taken(side: Sample, rows: Any) -> Sample:
    draws, cells = side.draws, side.cells
    resampled = None if draws.resampled is None else draws.resampled[:, rows]
    kept = None if cells is None else tuple(cell for cell, row in zip(cells, rows, strict=True) if row)
    return Sample(Draws(draws.scores[rows], resampled), (), cells=kept)
