"""What to know when reading a comparison: what was not resampled, and designs whose seeds are no plain sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bertft_core.config.seed_settings import CrossedDesign, OnlyDesign
from bertft_core.evaluation.comparison.example_resampling import enough_resamples
from bertft_core.evaluation.comparison.request import ComparisonPlan
from bertft_core.metrics import METRICS
from bertft_core.records.comparison_record import PairComparison

FEW = 5
"""Up to so many seeds no test could tell whether their scores are normal."""


def notes(wanted: ComparisonPlan, pairs: Sequence[PairComparison], told: Iterable[str]) -> Iterator[str]:
    """Sentences without their full stop."""
    compared = {pair.metric for pair in pairs}
    for metric, why in METRICS[wanted.sides[0].results.study.head.kind].seeds_only.items():
        if metric in compared:
            yield f"{metric}: its examples are not resampled, because {why}; only the seeds are"
    yield from told
    few = sorted({min(pair.n_seeds_arm, pair.n_seeds_baseline) for pair in pairs})
    if few and few[0] <= FEW:
        yield (
            f"with {few[0]} seeds the intervals rest on scores that are normal over seeds, which so few cannot show; "
            "they allow for how few there are"
        )
    n = wanted.n_resamples
    if 2 * len(pairs) > (1 - wanted.level) * (n + 1):
        wording = f"no p-value is under 2/{n + 1}, which is too coarse for {len(pairs)} tests"
        yield f"with {n} resamples {wording}: --resamples {enough_resamples(len(pairs))} would do"
    yield from _designs(wanted)


def _designs(wanted: ComparisonPlan) -> Iterator[str]:
    for study in {side.results.study.name: side.results.study for side in wanted.sides}.values():
        seeds = study.seeds
        if isinstance(seeds.design, OnlyDesign):
            yield f"{study.name}: only the {seeds.design.only} seed moves, so nothing is claimed about the other two"
        if isinstance(seeds.design, CrossedDesign):
            yield (
                f"{study.name}: runs of a crossed design share seeds and are no independent sample, so nothing is tested or "
                "claimed; intervals have the variance of two-way random effects, where 3 × 3 seeds or more are paired; its "
                "variance components say how much each seed matters, and a joint design compares arms"
            )
        if seeds.until is not None:
            yield (
                f"{study.name}: seeds were added until an interval on validation was narrow; to make up for the looks, every "
                f"interval has the level {100 * wanted.level:.4g} %"
            )
