"""What a study answers, as frames: its pairs of arms, its sources of variance, and the curves of its runs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bertft_core.evaluation.frames import as_frame
from bertft_core.records import MetricSummary, StudySummary
from bertft_core.records.comparison_record import Comparison, PairComparison
from bertft_core.records.insight_records import Component, VarianceComponents
from bertft_core.records.summary import shared_by
from bertft_core.storage.curve_lines import curve_events
from bertft_core.storage.study_results import StudyResults

PAIR_COLUMNS = (
    "arm", "baseline", "metric", "split", "checkpoint", "mean_arm", "mean_baseline", "difference", "low", "high", "p", "p_holm",
    "claimed", "better", "superiority", "superiority_low", "superiority_high", "paired", "n_seeds_arm", "n_seeds_baseline",
    "n_examples", "source", "sd_ratio", "cohens_d",
)  # fmt: skip
CURVE_COLUMNS = ("arm", "seed", "part", "metric", "step", "epoch", "value")
OF_STEPS = ("loss", "learning_rate", "grad_norm")
"""What `curves.jsonl` has of every training step."""


def pairs(comparison: Comparison | None) -> pd.DataFrame:
    """One row per pair of arms and metric, the headline metric first; empty where nothing is compared.

    `difference` is arm minus baseline, `low` and `high` its interval over seeds and examples, `p` the p-value before and
    `p_holm` after Holm's correction, `superiority` P(A > B), `source` the larger source of uncertainty.
    """
    return as_frame([_pair(pair) for pair in comparison.pairs] if comparison is not None else [], PAIR_COLUMNS)


def _pair(pair: PairComparison) -> dict[str, Any]:
    interval, chance = pair.interval, pair.superiority
    return {name: getattr(pair, name) for name in PAIR_COLUMNS if hasattr(pair, name)} | {
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "p": pair.p_value,
        "superiority": None if chance is None else chance.value,
        "superiority_low": None if chance is None else chance.low,
        "superiority_high": None if chance is None else chance.high,
        "sd_ratio": None if pair.sd_ratio is None else pair.sd_ratio.value,
        "cohens_d": pair.effects.get("cohens_d"),
    }


def variance(summary: StudySummary) -> pd.DataFrame:
    """One row per arm and source of the variance of the headline metric.

    In a crossed design the sources are `init`, `order`, `interaction` and `residual`, in a split design `split` and `seeds`; in
    any other design the one source is `all seeds`. `variance` and its interval are in units of the metric squared, `sd` is its
    root, `share` is of the sum over several sources.
    """
    found = {each.arm: each for each in summary.insights.variance} if summary.insights is not None else {}
    rows = []
    for arm in summary.arms:
        if arm.arm in found:
            rows += [_component(found[arm.arm], one) for one in found[arm.arm].components]
        elif shared_by(arm.seeds) is None:
            rows += [_of_all_seeds(arm.arm, row) for row in arm.metrics if row.collapsed_included and _is_headline(row, summary)]
    columns = ("arm", "metric", "split", "checkpoint", "source", "n_runs", "variance", "sd", "low", "high", "share", "p")
    return as_frame(rows, columns)


def _component(of_arm: VarianceComponents, one: Component) -> dict[str, Any]:
    place = {name: getattr(of_arm, name) for name in ("arm", "metric", "split", "checkpoint", "n_runs")}
    numbers = {"variance": one.variance, "sd": one.variance**0.5, "low": one.low, "high": one.high}
    return place | numbers | {"source": one.source, "share": one.share, "p": one.f_p}


def _is_headline(row: MetricSummary, summary: StudySummary) -> bool:
    return f"{row.checkpoint}/{row.split}/{row.metric}" == summary.headline_key


def _of_all_seeds(arm: str, row: MetricSummary) -> dict[str, Any]:
    place = {"arm": arm, "metric": row.metric, "split": row.split, "checkpoint": row.checkpoint}
    low, high, own = (None if sd is None else sd**2 for sd in (row.sd_low, row.sd_high, row.sd))
    return place | {"source": "all seeds", "n_runs": row.n, "variance": own, "sd": row.sd, "low": low, "high": high}


def curves(results: StudyResults) -> pd.DataFrame:
    """One row per number of a learning curve, of every report run with a record.

    `part` is `validation` (its metrics and `loss`, where it was evaluated) or `train` (`loss`, `learning_rate` and `grad_norm` of
    each step; `epoch` is not known there).
    """
    rows: list[dict[str, Any]] = []
    for record in results.report_runs:
        run = {"arm": record.spec.arm, "seed": record.spec.index}
        for one in record.evaluations if record.untrained is None else (record.untrained, *record.evaluations):
            values = one.metrics | ({} if one.loss is None else {"loss": one.loss})
            at = {"part": "validation", "step": one.step, "epoch": one.epoch}
            rows += [run | at | {"metric": metric, "value": value} for metric, value in values.items()]
        for event in curve_events(results.run_dir_of(record.digest) / "curves.jsonl"):
            if event.get("kind") == "step":
                known = {name: event[name] for name in OF_STEPS if isinstance(event.get(name), (int, float))}
                at = {"part": "train", "step": event["step"], "epoch": None}
                rows += [run | at | {"metric": metric, "value": float(value)} for metric, value in known.items()]
    return as_frame(rows, CURVE_COLUMNS)
