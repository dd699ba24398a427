"""How much of the variance of an arm's headline comes from init, order and the rest, where the design is crossed."""

from __future__ import annotations

import math

import numpy as np

from bertft_core.config.seed_settings import CrossedDesign
from bertft_core.evaluation.insights.insight_evidence import Evidence
from bertft_core.records import ArmSummary
from bertft_core.records.insight_records import Component, VarianceComponents
from bertft_core.statistics.complete_grid import CompleteGrid, GridCell, complete_grid
from bertft_core.statistics.mean_squares import METHOD, VarianceEstimate
from bertft_core.statistics.variance_components import crossed, level_range, range_p

AXES = {"init": 0, "order": 1}
SURE = 0.05


def variance_of_arms(evidence: Evidence) -> tuple[tuple[VarianceComponents, ...], tuple[str, ...]]:
    """The components of every arm of a crossed design, and why an arm has none."""
    if not isinstance(evidence.study.seeds.design, CrossedDesign):
        return (), ()
    found, notes = [], []
    for arm in evidence.arms:
        grid = complete_grid(_cells(arm, evidence.key))
        if grid is None:
            notes.append(
                f"{arm.arm} has no variance components: its runs with a score fill no complete grid of 2 init × 2 order seeds"
            )
        else:
            found.append(_components(evidence, arm.arm, grid))
    return tuple(found), tuple(notes)


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


def _components(evidence: Evidence, arm: str, grid: CompleteGrid) -> VarianceComponents:
    estimates = crossed(grid.values)
    total = sum(estimate.variance for estimate in estimates)
    components = [component_of(estimate, total) for estimate in estimates]
    for place, component in enumerate(components):
        if component.source in AXES:
            axis = AXES[component.source]
            rng = np.random.default_rng(evidence.seed_of(arm, f"range of {component.source}"))
            tested = {"range": level_range(grid.values, axis), "range_p": range_p(grid.values, axis, rng)}
            components[place] = component.model_copy(update=tested)
    a, b, r = grid.values.shape
    return VarianceComponents(
        arm=arm,
        metric=evidence.metric,
        split=evidence.split,
        checkpoint=evidence.checkpoint,
        n_init=a,
        n_order=b,
        n_replicates=r,
        n_runs=grid.values.size,
        n_left_out=grid.n_left_out,
        mean=float(grid.values.mean()),
        mean_se=mean_se(estimates, grid.values.size),
        floor_sd=next((floor.sd for floor in evidence.floors if floor.arm == arm), None),
        components=tuple(components),
        method=METHOD,
        sentence=_sentence(evidence, arm, components, grid),
    )


def mean_se(estimates: tuple[VarianceEstimate, ...], n_runs: int) -> float:
    """Standard error of the mean over the grid: √((MS_init + MS_order − MS_crossing)/runs) (Searle et al. 1992).

    Runs of a grid share seeds, so it is larger than sd/√n of as many independent runs. Where the estimate is smaller than what
    the crossing alone would give, that is taken.
    """
    init, order, crossing = (estimate.square.value for estimate in estimates[:3])
    return math.sqrt(max(init + order - crossing, crossing) / n_runs)


def _sentence(evidence: Evidence, arm: str, components: list[Component], grid: CompleteGrid) -> str:
    a, b, r = grid.values.shape
    runs = f"{a} init × {b} order seeds" + (f" × {r} dropout seeds" if r > 1 else "")
    where = f"{evidence.metric}, {evidence.split}"
    if all(component.share is None for component in components):
        parts = [f"the {grid.values.size} runs of {arm} ({runs}) all score the same ({where})"]
    else:
        shares = ", ".join(f"{round(100 * (c.share or 0.0))} % from {_name(c, r)}" for c in components)
        parts = [f"of the variance over the {grid.values.size} runs of {arm} ({runs}; {where}) {shares}", _tests(components)]
    if grid.n_left_out:
        parts.append(f"{grid.n_left_out} runs outside the largest complete grid are left out")
    floor = next((floor for floor in evidence.floors if floor.arm == arm), None)
    if floor is not None and floor.sd == 0:
        parts.append(f"{floor.n} runs with every seed the same do not differ")
    elif floor is not None and floor.sd is not None:
        parts.append(f"{floor.n} runs with every seed the same have an sd of {floor.sd:.2g}, which is part of the rest")
    return "; ".join(parts)


def _name(component: Component, replicates: int) -> str:
    if component.source in AXES:
        return f"the {component.source} seed"
    if component.source == "interaction":
        return "their interaction"
    return "dropout and what no seed fixes" if replicates > 1 else "the rest (interaction, dropout and what no seed fixes)"


def _tests(components: list[Component]) -> str:
    told = [(c.source, c.f_p) for c in components if c.source in AXES and c.f_p is not None]
    sure = [f"{source} (F test, p = {p:.2g})" for source, p in told if p <= SURE]
    unsure = [f"{source} (p = {p:.2g})" for source, p in told if p > SURE]
    words = [f"more than chance: {' and '.join(sure)}"] if sure else []
    words += [f"not told from chance: {' and '.join(unsure)}"] if unsure else []
    return ", ".join(words) or "nothing is left in the cells to test against"
