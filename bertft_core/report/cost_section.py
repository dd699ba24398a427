"""What each arm costs, beside what it scores: parameters, throughput, time and memory."""

from typing import Any

import pandas as pd

from bertft_core.evaluation import frames
from bertft_core.report import summary_rows
from bertft_core.report.drawings.look import of_place
from bertft_core.report.drawings.picture import Picture, picture
from bertft_core.report.drawings.scatter import Group, scatter_plot
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import batches_text, picture_text
from bertft_core.storage.study_results import StudyResults

LEAST_FACTOR = 1.05
"""Sizes of models that differ by less (a CRF's, say) are no axis."""
COSTS = ("n_parameters", "examples_per_second", "train_seconds", "peak_memory_bytes")


def section(results: StudyResults) -> dict[str, Any] | None:
    """Rows and pictures, of the runs with a headline score and a time; None without such a run."""
    summary = results.summary
    table = frames.runs(results)
    if summary.headline_key not in table or table["train_seconds"].isna().all():
        return None
    table = table[table[summary.headline_key].notna() & (table["train_seconds"] > 0)]
    arms = [(arm.arm, of_place(i), table[table["arm"] == arm.arm]) for i, arm in enumerate(summary.arms)]
    arms = [(name, css, runs) for name, css, runs in arms if len(runs)]
    if not arms:
        return None
    rows = [{"arm": name, "css": css, "n": len(runs)} | _costs(runs) | _score(results, name) for name, css, runs in arms]
    label = f"{summary.headline_metric} on {summary.headline_split}"
    pictures = {"score_over_time": _over(arms, summary.headline_key, "train_seconds", ("training time of a run in s", label))}
    if table["n_parameters"].max() > LEAST_FACTOR * table["n_parameters"].min():
        pictures["score_over_parameters"] = _over(
            arms, summary.headline_key, "n_parameters", ("parameters in millions", label), 1e-6
        )
    return {"rows": rows, "pictures": pictures, "metric": label, "batches": batches_text.of_runs(results)}


def _costs(runs: pd.DataFrame) -> dict[str, float | None]:
    """Means over the runs, of memory the largest; None where no run says so."""
    means = {name: None if runs[name].isna().all() else float(runs[name].mean()) for name in COSTS}
    peak = runs["peak_memory_bytes"]
    return means | {"peak_memory_bytes": None if peak.isna().all() else float(peak.max())}


def _score(results: StudyResults, arm: str) -> dict[str, float | None]:
    summary = results.summary
    found = next(each for each in summary.arms if each.arm == arm)
    row = summary_rows.row_of(found, summary.headline_split, summary.headline_checkpoint, summary.headline_metric)
    return {"mean": None if row is None else row.mean, "sd": None if row is None else row.sd}


def _over(
    arms: list[tuple[str, str, pd.DataFrame]], score: str, cost: str, labels: tuple[str, str], scale: float = 1.0
) -> Picture:
    groups = []
    for name, css, runs in arms:
        known = runs[runs[cost].notna()]
        points = [(scale * float(x), float(y)) for x, y in known[[cost, score]].values.tolist()]
        titles = [f"{name} seed {i}: {numbers.score(y)}" for i, (_, y) in zip(known["index"], points, strict=True)]
        group = Group(name, css, points, titles, "")
        groups.append(group if not points else _spoken(group))
    return picture(scatter_plot, groups, labels)


def _spoken(group: Group) -> Group:
    x, y = group.center
    return Group(group.name, group.css, group.points, group.titles, picture_text.said("cost", arm=group.name, x=x, y=y))
