"""Sentences about sources of variance: within an arm, between studies, and with every seed fixed. All are clauses."""

import math

from bertft_core.records import Nondeterminism, StudySummary
from bertft_core.records.insight_records import Component, StudyVariance, VarianceComponents
from bertft_core.records.not_computed import NotComputed
from bertft_core.report.formatting import numbers, p_values
from bertft_core.report.prose import grammar, missing_text

SIGNIFICANT = 0.05
METHOD = (
    "ANOVA estimates with 95 % intervals: modified large-sample intervals for differences of mean squares (Ting et al. 1990), "
    "chi-square intervals for the residual; effects are assumed to be normal"
)
OF_SPLITS = {"split": "the split of these examples", "seeds": "the seeds on it (init, order and dropout together)"}
SOURCES = {
    "split": "the studies differ in their data split",
    "search": "the studies differ in the outcome of their search",
    "split and search": "the studies differ in their data split and in the outcome of their search",
    "seeds": "the studies differ in nothing but seeds, so the first should be about 0",
}


def components(found: VarianceComponents) -> str:
    """The share of each source, whether it is more than chance, and what was left out."""
    if found.n_splits is not None:
        seeds = f"{found.n_splits} splits with several seeds each"
    else:
        seeds = f"{found.n_init} init × {found.n_order} order seeds"
        seeds += f" × {found.n_replicates} dropout seeds" if (found.n_replicates or 0) > 1 else ""
    where = f"{found.metric}, {found.split}"
    if all(component.share is None for component in found.components):
        parts = [f"{grammar.every(found.n_runs, 'run')} of {found.arm} ({seeds}) score the same ({where})"]
    else:
        shares = [f"{100 * (c.share or 0.0):.0f} % is due to {_source(c, found)}" for c in found.components]
        parts = [f"of the variance over the {found.n_runs} runs of {found.arm} ({seeds}; {where}) {grammar.listed(shares)}"]
        parts.append(_tests(found))
    if found.n_left_out:
        parts.append(f"{grammar.several(found.n_left_out, 'run')} outside the largest complete grid left out")
    if found.floor_sd == 0:
        parts.append("repeats with identical seeds do not differ")
    elif found.floor_sd is not None:
        repeats = "repeats" if found.n_floor is None else f"{found.n_floor} runs"
        parts.append(f"{repeats} with identical seeds have an sd of {found.floor_sd:.2g}, which is part of the rest")
    return "; ".join(parts)


def refused(found: NotComputed) -> str:
    """Why an arm has no variance components."""
    return f"{found.arm} has no variance components: {missing_text.why(found)}"


def _source(component: Component, found: VarianceComponents) -> str:
    if component.source in ("init", "order"):
        return f"the {component.source} seed"
    if component.source == "interaction":
        return "their interaction"
    if component.source in OF_SPLITS:
        return OF_SPLITS[component.source]
    return "dropout and nondeterminism" if (found.n_replicates or 0) > 1 else "the rest (interaction, dropout and nondeterminism)"


def _tests(found: VarianceComponents) -> str:
    tested = [(c.source, c.f_p) for c in found.components if c.source in ("init", "order", "split") and c.f_p is not None]
    above = [f"{source} ({p_values.clause(p)})" for source, p in tested if p <= SIGNIFICANT]
    chance = [f"{source} ({p_values.clause(p)})" for source, p in tested if p > SIGNIFICANT]
    parts = [f"more than chance by the F test: {grammar.listed(above)}"] if above else []
    parts += [f"not distinguishable from chance by the F test: {grammar.listed(chance)}"] if chance else []
    return ", ".join(parts) or "there is no variation within cells to test against"


def between_studies(found: StudyVariance) -> str:
    """The sd between and within studies; runs that share seeds or examples are not tested."""
    sds = [numbers.amount(math.sqrt(part.variance), found.metric) for part in (found.between, found.within)]
    untested = found.between.high is None
    test = "" if untested or found.between.f_p is None else f" (F test, {p_values.clause(found.between.f_p)})"
    text = (
        f"{found.arm} ({found.metric}, {found.split}): an sd of {sds[0]} between {len(found.studies)} studies{test} and of "
        f"{sds[1]} within them, over seeds; {SOURCES[found.source]}"
    )
    shared = "runs that share seeds or examples are not tested, and what they share counts as between studies"
    return f"{text}; {shared}" if untested else text


def nondeterminism(found: Nondeterminism, summary: StudySummary) -> str:
    """Whether runs with identical seeds end with identical weights, and how much their scores differ."""
    runs = f"{found.n} runs of {found.arm} with identical seeds" + (f" on {found.device}" if found.device else "")
    if found.n < 2:
        text = f"fewer than two runs of {found.arm} with identical seeds ended with weights, so there is nothing to compare"
    elif found.bitwise:
        text = f"{runs} end with bitwise identical weights: all variation between seeds is due to the seeds"
    elif found.largest_difference is None:
        text = f"{runs} end with different weights, and none of them has a score"
    else:
        what = f"{summary.headline_metric}, {summary.headline_split}"
        text = (
            f"{runs} end with different weights and differ by up to {found.largest_difference:.4g} ({what}): this part of the "
            "variation is not due to seeds"
        )
    without = found.n_without_weights
    return f"{text} ({grammar.several(without, 'more run')} ended without weights)" if without else text
