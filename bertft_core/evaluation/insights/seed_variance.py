"""How much of the variance of an arm's headline is due to each source: init, order and the rest, or the split and its seeds."""

import math

import numpy as np

from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.records import ArmSummary
from bertft_core.records.insight_records import Component, VarianceComponents
from bertft_core.records.not_computed import NotComputed
from bertft_core.records.summary import shared_by
from bertft_core.seeds import derive_seed
from bertft_core.statistics.complete_grid import CompleteGrid, complete_grid
from bertft_core.statistics.mean_squares import VarianceEstimate
from bertft_core.statistics.repeated_splits import split_mean
from bertft_core.statistics.shared_by_runs import GridCell, Splits
from bertft_core.statistics.split_components import split_components
from bertft_core.statistics.variance_components import crossed, level_range, range_p
from bertft_core.storage.study_results import StudyResults

AXES = {"init": 0, "order": 1}


def variance_of_arms(results: StudyResults) -> tuple[tuple[VarianceComponents, ...], tuple[NotComputed, ...]]:
    """The components of every arm of a crossed or a split design, and the arms that have none."""
    if results.study.seeds.splits is not None:
        return _of_splits(results)
    if not isinstance(results.study.seeds.design, CrossedDesign) or results.study.is_selected:
        return (), ()
    grids = {arm.arm: complete_grid(_cells(arm, results.summary.headline_key)) for arm in results.summary.arms}
    found = [_components(results, arm, grid) for arm, grid in grids.items() if grid is not None]
    refused = [NotComputed(reason="no complete grid", arm=arm) for arm, grid in grids.items() if grid is None]
    return tuple(found), tuple(refused)


def _of_splits(results: StudyResults) -> tuple[tuple[VarianceComponents, ...], tuple[NotComputed, ...]]:
    found, refused, summary = [], [], results.summary
    for arm in summary.arms:
        scored = [seed for seed in arm.seeds if summary.headline_key in seed.scores]
        values, splits = [seed.scores[summary.headline_key] for seed in scored], shared_by(scored)
        components = split_components(values, splits) if isinstance(splits, Splits) else None
        mean = split_mean(values, splits) if isinstance(splits, Splits) else None
        if components is None or mean is None or not isinstance(splits, Splits):
            refused.append(NotComputed(reason="one seed on each split", arm=arm.arm))
            continue
        total = components.split.variance + components.seeds.variance
        found.append(
            VarianceComponents(
                arm=arm.arm,
                metric=summary.headline_metric,
                split=summary.headline_split,
                checkpoint=summary.headline_checkpoint,
                n_splits=len(set(splits.of_run)),
                n_runs=len(values),
                mean=mean.mean,
                mean_se=math.sqrt(mean.variance),
                components=(component_of(components.split, total), component_of(components.seeds, total)),
            )
        )
    return tuple(found), tuple(refused)


def component_of(estimate: VarianceEstimate, total: float) -> Component:
    """An estimate as a record; `total` is the sum of all variances."""
    return Component(
        source=estimate.source,
        df=estimate.square.df,
        mean_square=estimate.square.value,
        raw=estimate.raw,
        variance=estimate.variance,
        low=estimate.low,
        high=estimate.high,
        share=estimate.variance / total if total > 0 else None,
        f=estimate.f,
        f_p=estimate.f_p,
    )


def _cells(arm: ArmSummary, key: str) -> dict[GridCell, list[float]]:
    """(place of the init seed, place of the order seed) → scores, in the order of the seed indices."""
    inits = {seed: place for place, seed in enumerate(dict.fromkeys(seed.init_seed for seed in arm.seeds))}
    orders = {seed: place for place, seed in enumerate(dict.fromkeys(seed.order_seed for seed in arm.seeds))}
    found: dict[GridCell, list[float]] = {}
    for seed in arm.seeds:
        if key in seed.scores:
            found.setdefault((inits[seed.init_seed], orders[seed.order_seed]), []).append(seed.scores[key])
    return found


def _components(results: StudyResults, arm: str, grid: CompleteGrid) -> VarianceComponents:
    estimates = crossed(grid.values)
    total = sum(estimate.variance for estimate in estimates)
    components = [component_of(estimate, total) for estimate in estimates]
    for place, component in enumerate(components):
        if component.source in AXES:
            axis = AXES[component.source]
            rng = np.random.default_rng(derive_seed(results.study.seed, "bootstrap", f"range of {component.source}", arm))
            tested = {"range": level_range(grid.values, axis), "range_p": range_p(grid.values, axis, rng)}
            components[place] = component.model_copy(update=tested)
    a, b, r = grid.values.shape
    floor = next((floor for floor in results.summary.floors if floor.arm == arm), None)
    return VarianceComponents(
        arm=arm,
        metric=results.summary.headline_metric,
        split=results.summary.headline_split,
        checkpoint=results.summary.headline_checkpoint,
        n_init=a,
        n_order=b,
        n_replicates=r,
        n_runs=grid.values.size,
        n_left_out=grid.n_left_out,
        mean=float(grid.values.mean()),
        mean_se=mean_se(estimates, grid.values.size),
        floor_sd=None if floor is None else floor.sd,
        n_floor=None if floor is None else floor.n,
        components=tuple(components),
    )


def mean_se(estimates: tuple[VarianceEstimate, ...], n_runs: int) -> float:
    """Standard error of the mean over the grid: √((MS_init + MS_order − MS_crossing)/runs) (Searle et al. 1992).

    Runs of a grid share seeds, so it is larger than sd/√n of as many independent runs. It is at least
    what the crossing alone gives.
    """
    init, order, crossing = (estimate.square.value for estimate in estimates[:3])
    return math.sqrt(max(init + order - crossing, crossing) / n_runs)
