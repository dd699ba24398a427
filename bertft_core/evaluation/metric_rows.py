"""Every metric of an arm over its seeds, row by row, and the share of its runs that did not learn."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from bertft_core.evaluation.run_scores import CHECKPOINTS
from bertft_core.metrics.bounds import bounds_of
from bertft_core.records.summary import MetricSummary, Rate, SeedScore, shared_by
from bertft_core.seeds import derive_seed
from bertft_core.statistics.crossed_mean import crossed_sd_interval
from bertft_core.statistics.dispersion import interquartile_mean, quantiles, sample_sd, sd_interval, unbiased_sd
from bertft_core.statistics.mean_intervals import LEVEL, Interval, bootstrap_intervals, interval_of_mean
from bertft_core.statistics.proportions import wilson_interval
from bertft_core.statistics.shared_by_runs import GridCell, Splits

Shared = tuple[GridCell, ...] | Splits
LEARNED_NOTHING = ("collapsed", "diverged")


def metric_rows(
    seeds: Sequence[SeedScore], splits: Sequence[str], study_seed: int, *, selected: bool = False, level: float = LEVEL
) -> list[MetricSummary]:
    """Every metric by split, checkpoint and order of computation; with collapsed runs, then without them.

    `level` is that of the mean's intervals, above 0.95 where interim analyses decided the number of seeds. `selected` seeds (the
    best of many that started) are not a random sample, so their rows have no spread and no interval. Runs of a crossed design
    share seeds, and those of a split design examples: their intervals allow for it, and single runs are not bootstrapped.
    """
    keys, samples = dict.fromkeys(key for seed in seeds for key in seed.scores), list[_Sample]()
    for key in sorted(keys, key=lambda key: _place(key, splits)):
        having = [seed for seed in seeds if key in seed.scores]
        samples.append(_sample(key, having, collapsed_included=True))
        without = [seed for seed in having if seed.status != "collapsed"]
        if 0 < len(without) < len(having):
            samples.append(_sample(key, without, collapsed_included=False))
    bootstrapped = _bootstrapped(samples, study_seed, level)
    rows = [_row(sample, bootstrapped.get(sample.values), level) for sample in samples]
    return [_without_spread(row) for row in rows] if selected else rows


def collapse_rate(counts: Mapping[str, int]) -> Rate | None:
    """Collapsed and diverged runs among those that ended by themselves, with Wilson's interval; None where none has.

    `counts` by status. Runs that failed with an error, are missing, or were pruned say nothing about learning.
    """
    bad = sum(counts.get(status, 0) for status in LEARNED_NOTHING)
    ended = bad + counts.get("ok", 0)
    if ended == 0:
        return None
    low, high = wilson_interval(bad, ended)
    return Rate(count=bad, of=ended, share=bad / ended, low=low, high=high)


def _place(key: str, splits: Sequence[str]) -> tuple[int, int]:
    """Sorts stably by split, then checkpoint; metrics stay in the order they were computed in."""
    checkpoint, split, _ = key.split("/", 2)
    return splits.index(split) if split in splits else len(splits), CHECKPOINTS.index(checkpoint)


class _Sample(NamedTuple):
    """The scores of one row."""

    key: str
    values: tuple[float, ...]
    shared: Shared | None
    collapsed_included: bool


def _sample(key: str, seeds: Sequence[SeedScore], *, collapsed_included: bool) -> _Sample:
    shared = shared_by(seeds)
    shared = shared if shared is None or isinstance(shared, Splits) else tuple(shared)
    return _Sample(key, tuple(seed.scores[key] for seed in seeds), shared, collapsed_included)


def _bootstrapped(samples: Sequence[_Sample], study_seed: int, level: float) -> dict[tuple[float, ...], Interval]:
    """Scores → interval; runs that end at their best epoch have every score twice."""
    of_size: dict[int, dict[tuple[float, ...], None]] = {}
    for sample in samples:
        if sample.shared is None and len(sample.values) > 1:
            of_size.setdefault(len(sample.values), {})[sample.values] = None
    found: dict[tuple[float, ...], Interval] = {}
    for n, values in of_size.items():
        intervals = bootstrap_intervals(tuple(values), derive_seed(study_seed, "bootstrap", n), level)
        found |= dict(zip(values, intervals, strict=True))
    return found


def _row(sample: _Sample, bootstrap: Interval | None, level: float) -> MetricSummary:
    checkpoint, split, metric = sample.key.split("/", 2)
    statistics = _statistics(sample.values, sample.shared, bounds_of(metric), bootstrap, level)
    included = sample.collapsed_included
    return MetricSummary(split=split, checkpoint=checkpoint, metric=metric, collapsed_included=included, **statistics)


@lru_cache(maxsize=4096)
def _statistics(
    values: tuple[float, ...], shared: Shared | None, bounds: Interval, bootstrap: Interval | None, level: float
) -> Mapping[str, Any]:
    """Cached, because runs that end at their best epoch have every score twice, and a report is made of the same scores again."""
    t_low, t_high = interval_of_mean(values, shared, level, bounds) or (None, None)
    bootstrap_low, bootstrap_high = bootstrap or (None, None)
    sd_low, sd_high = _sd_interval(values, shared) or (None, None)
    return {
        "n": len(values),
        "mean": float(np.mean(values)),
        "sd": sample_sd(values),
        "t_low": t_low,
        "t_high": t_high,
        "bootstrap_low": bootstrap_low,
        "bootstrap_high": bootstrap_high,
        "median": float(np.median(values)),
        "min": float(np.min(values)),
        "max": float(np.max(values)),
        "sd_low": sd_low,
        "sd_high": sd_high,
        "sd_unbiased": unbiased_sd(values) if shared is None else None,
        "iqm": interquartile_mean(values),
        "quantiles": quantiles(values),
    }


def _sd_interval(values: tuple[float, ...], shared: Shared | None) -> Interval | None:
    """None for splits of the same examples, of which no interval is known."""
    if isinstance(shared, Splits):
        return None
    return sd_interval(values) if shared is None else crossed_sd_interval(values, shared)


def _without_spread(row: MetricSummary) -> MetricSummary:
    gone = ("sd", "t_low", "t_high", "bootstrap_low", "bootstrap_high", "sd_low", "sd_high", "sd_unbiased", "iqm")
    return row.model_copy(update=dict.fromkeys(gone) | {"quantiles": {}})
