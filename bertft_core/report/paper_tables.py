"""Tables as papers print them: arm × metric as mean ± sd, and the pairs. Only claimed results are set in bold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bertft_core.records.comparison_record import Comparison, PairComparison
from bertft_core.records.summary import StudySummary, shared_by
from bertft_core.report.formatting import intervals, numbers, p_values
from bertft_core.report.prose import paper_captions
from bertft_core.report.prose.comparison_text import RESAMPLED
from bertft_core.report.prose.metric_names import in_print
from bertft_core.report.table_formats import Column, PaperTable, TableCell, Value
from bertft_core.statistics.dispersion import sample_sd
from bertft_core.statistics.shared_by_runs import Splits

MOST_METRICS = 6
"""Columns of a printed table; CSV and JSON hold every metric."""


@dataclass(frozen=True)
class ArmScores:
    """One row of the table of results."""

    name: str
    scores: Mapping[str, Sequence[float]]
    """`checkpoint/split/metric` → the score of every seed that has one."""
    n_collapsed: int = 0
    """Runs among them that collapsed."""
    remark: str | None = None
    """What the caption must say about this row."""
    shared: Literal["seeds", "examples"] | None = None
    """What its runs share, so that they are no independent sample."""


def tables_of(arms: Sequence[ArmScores], headline_key: str, comparison: Comparison | None) -> list[PaperTable]:
    """Results of every metric of the headline's split and checkpoint, and the pairs where arms were compared."""
    arms = [arm for arm in arms if arm.scores.get(headline_key)]
    keys = metric_keys(arms, headline_key)
    tables = [results_table(arms, keys, comparison, printed_keys(keys, comparison))] if keys else []
    return tables + ([pairs_table(comparison)] if comparison is not None and comparison.pairs else [])


def scores_of_summary(summary: StudySummary) -> list[ArmScores]:
    """The arms of a study; of one whose seeds were selected the chosen seed alone, since the others are no sample."""
    found = []
    for arm in summary.arms:
        seeds, remark = [seed for seed in arm.seeds if seed.scores], None
        if arm.selected is not None:
            remark = paper_captions.SELECTED.format(arm=arm.arm, n=arm.selected.start)
            seeds = [seed for seed in seeds if seed.index == arm.selected.best]
        keys = dict.fromkeys(key for seed in seeds for key in seed.scores)
        scores = {key: [seed.scores[key] for seed in seeds if key in seed.scores] for key in keys}
        n_collapsed = sum(seed.status == "collapsed" for seed in seeds)
        shared = _named(shared_by(arm.seeds)) if arm.selected is None else None
        found.append(ArmScores(arm.arm, scores, n_collapsed, remark, shared))
    return found


def scores_of_comparison(comparison: Comparison) -> list[ArmScores]:
    """The arms of a comparison."""
    return [
        ArmScores(a.name, {key: a.values(key) for key in a.scores}, len(a.collapsed), shared=_named(a.shared(a.seeds)))
        for a in comparison.arms
    ]


def _named(shared: Any) -> Literal["seeds", "examples"] | None:
    return None if shared is None else "examples" if isinstance(shared, Splits) else "seeds"


def metric_keys(arms: Sequence[ArmScores], headline_key: str) -> list[str]:
    """The headline metric, then the others of its split and checkpoint that all arms have, in their order."""
    place = headline_key.rsplit("/", 1)[0] + "/"
    found = dict.fromkeys(key for arm in arms for key in (headline_key, *arm.scores) if key.startswith(place))
    return [key for key in found if all(arm.scores.get(key) for arm in arms)]


def printed_keys(keys: Sequence[str], comparison: Comparison | None) -> list[str]:
    """Those that fit a page: the compared ones, or those over all classes; the headline first."""
    compared = {pair.key for pair in comparison.pairs} if comparison is not None else set()
    chosen = [key for key in keys if key in compared] or [key for key in keys if key.count("/") == 2]
    return [keys[0], *(key for key in chosen if key != keys[0])][:MOST_METRICS]


def best_by_claim(arm: str, others: Sequence[str], key: str, comparison: Comparison | None) -> bool:
    """Whether the arm is claimed to be better than every other on this metric, after Holm's correction."""
    if comparison is None or not others:
        return False
    return all(
        any(p.key == key and {p.arm, p.baseline} == {arm, other} and p.claimed and p.better == arm for p in comparison.pairs)
        for other in others
    )


def results_table(
    arms: Sequence[ArmScores], keys: Sequence[str], comparison: Comparison | None, printed: Sequence[str]
) -> PaperTable:
    """One row for each arm: mean ± sd (ddof 1) over its seeds of each printed metric, and their number; records of every key."""
    digits = {key: 3 if max(abs(v) for arm in arms for v in arm.scores[key]) < 10 else 2 for key in keys}
    rows, records, any_bold = [], [], False
    for arm in arms:
        others = [other.name for other in arms if other.name != arm.name]
        cells = [TableCell(arm.name), TableCell(str(len(arm.scores[keys[0]])))]
        for key in keys:
            bold = best_by_claim(arm.name, others, key, comparison)
            if key in printed:
                any_bold = any_bold or bold
                cells.append(TableCell(mean_sd(arm.scores[key], digits[key]), bold))
            records.append(_record(arm, key, bold))
        rows.append(cells)
    arrows = {pair.key: " ↑" if pair.direction == "maximize" else " ↓" for pair in (comparison.pairs if comparison else ())}
    columns = [
        Column("arm", "l"),
        Column("n"),
        *(Column(in_print(key.split("/", 2)[2]) + arrows.get(key, "")) for key in printed),
    ]
    collapsed, shared = {arm.name: arm.n_collapsed for arm in arms}, next((arm.shared for arm in arms if arm.shared), None)
    caption = paper_captions.results(keys[0], [arm.remark for arm in arms if arm.remark], collapsed, shared)
    caption += f" {paper_captions.of_bold(any_bold, len(arms), comparison)}"
    return PaperTable("results", caption, columns, rows, records)


def mean_sd(values: Sequence[float], digits: int) -> str:
    """'0.812 ± 0.014'; one value has no deviation."""
    mean = numbers.decimals(float(np.mean(values)), digits)
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.{digits}f}"


def _record(arm: ArmScores, key: str, bold: bool) -> dict[str, Value]:
    checkpoint, split, metric = key.split("/", 2)
    values = arm.scores[key]
    return {
        "arm": arm.name,
        "metric": metric,
        "split": split,
        "checkpoint": checkpoint,
        "n": len(values),
        "mean": float(np.mean(values)),
        "sd": sample_sd(values),
        "bold": bold,
    }


def pairs_table(comparison: Comparison) -> PaperTable:
    """One row for each pair and metric: difference, interval, P(A > B), p and p after Holm; bold where it is claimed."""
    interval = f"{numbers.percent(comparison.level)} interval"
    columns = [Column(title, "l") for title in ("metric", "arm", "against")]
    columns += map(Column, ("difference", interval, "P(A > B)", "p", "p (Holm)"))
    rows = []
    for pair in comparison.pairs:
        ends, chance, p = intervals.resampled(pair.interval), intervals.estimate(pair.superiority), p_values.p_value(pair.p_value)
        cells = (in_print(pair.metric), pair.arm, pair.baseline, numbers.signed(pair.difference), ends, chance, p)
        rows.append([*map(TableCell, cells), TableCell(p_values.p_value(pair.p_holm), pair.claimed)])
    return PaperTable("pairs", paper_captions.pairs(comparison), columns, rows, [_pair_record(pair) for pair in comparison.pairs])


def _pair_record(pair: PairComparison) -> dict[str, Value]:
    interval, chance = pair.interval, pair.superiority
    return {
        "metric": pair.metric,
        "split": pair.split,
        "checkpoint": pair.checkpoint,
        "arm": pair.arm,
        "against": pair.baseline,
        "paired": pair.paired,
        "n_seeds_arm": pair.n_seeds_arm,
        "n_seeds_against": pair.n_seeds_baseline,
        "n_examples": pair.n_examples,
        "mean_arm": pair.mean_arm,
        "mean_against": pair.mean_baseline,
        "difference": pair.difference,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "superiority": None if chance is None else chance.value,
        "superiority_low": None if chance is None else chance.low,
        "superiority_high": None if chance is None else chance.high,
        "p": pair.p_value,
        "p_holm": pair.p_holm,
        "test": None if pair.p_of is None else RESAMPLED[pair.p_of],
        "claimed": pair.claimed,
    }
