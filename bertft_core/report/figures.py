"""The pictures of the report, from the records."""

from collections.abc import Callable

import numpy as np

from bertft_core.evaluation.calibration import confidences, logits_and_labels, reliability_points
from bertft_core.evaluation.run_scores import majority_scores, stored_predictions
from bertft_core.metrics.bounds import bounds_of
from bertft_core.records import ArmSummary, RunRecord, StudySummary
from bertft_core.report import run_curves, summary_rows
from bertft_core.report.curve_bands import ArmCurves, band_plot
from bertft_core.report.drawings.curves_of_runs import Curve, curve_plot
from bertft_core.report.drawings.look import of_place
from bertft_core.report.drawings.picture import Picture, picture
from bertft_core.report.drawings.ranges import Point, padded
from bertft_core.report.drawings.reliability_diagram import reliability_plot
from bertft_core.report.drawings.seed_points import ArmRow, SeedPoint, seed_plot
from bertft_core.report.formatting import numbers
from bertft_core.storage.study_results import StudyResults

Panel = tuple[str, Picture]
"""An arm and its picture."""


def seed_plots(results: StudyResults) -> list[Picture]:
    """A picture of every seed per arm for each split, the headline split first."""
    found, summary = [], results.summary
    for split in summary_rows.splits_of(summary):
        rows = arm_rows(summary, summary.headline_checkpoint, split, summary.headline_metric)
        if any(row.points for row in rows):
            majority = majority_scores(results.card, split).get(summary.headline_metric)
            label = f"{summary.headline_metric} on {split}, {summary.headline_checkpoint} checkpoint"
            found.append(picture(seed_plot, rows, label, majority, bounds_of(summary.headline_metric)))
    return found


def arm_rows(summary: StudySummary, checkpoint: str, split: str, metric: str) -> list[ArmRow]:
    """The seeds of every arm."""
    return [_arm_row(arm, checkpoint, split, metric) for arm in summary.arms]


def _arm_row(arm: ArmSummary, checkpoint: str, split: str, metric: str) -> ArmRow:
    key = f"{checkpoint}/{split}/{metric}"
    points = [
        SeedPoint(value, f"{arm.arm} seed {seed.index}: {numbers.score(value)}", seed.status == "collapsed")
        for seed in arm.seeds
        if (value := seed.scores.get(key)) is not None
    ]
    row = summary_rows.row_of(arm, split, checkpoint, metric)
    ends = (None, None, None) if row is None else (row.mean, row.t_low, row.t_high)
    return ArmRow(arm.arm, points, *ends)


def validation_curves(results: StudyResults) -> list[Panel]:
    """The validation metric over epochs, of every run that was validated, including runs that failed later."""
    metric = results.study.metric
    return _panels(results, lambda record: run_curves.validation_curve(record, metric), ("epoch", f"validation {metric}"))


def validation_losses(results: StudyResults) -> list[Panel]:
    """The validation loss over epochs, of the runs that recorded it."""
    return _panels(results, run_curves.validation_loss_curve, ("epoch", "validation loss"))


def loss_curves(results: StudyResults) -> list[Panel]:
    """The training loss over steps, from the `curves.jsonl` of each run."""
    return _panels(results, lambda record: run_curves.loss_curve(results.run_dir_of(record.digest)), ("step", "training loss"))


def bands(results: StudyResults) -> dict[str, Picture]:
    """Name of the file → picture: validation metric and training loss of every arm, as bands over its runs."""
    validation, loss, metric = [], [], results.study.metric
    for i, arm in enumerate(results.summary.arms):
        runs = results.runs_of(arm.arm)
        validation.append(ArmCurves(arm.arm, i, [run_curves.validation_curve(record, metric) for record in runs]))
        curves = run_curves.loss_curves([results.run_dir_of(record.digest) for record in runs])
        loss.append(ArmCurves(arm.arm, i, curves, max((record.n_steps for record in runs), default=None)))
    found = {
        "curves_validation": band_plot(validation, ("epoch", f"validation {metric}")),
        "curves_loss": band_plot(loss, ("step", "training loss")),
    }
    return {name: picture for name, picture in found.items() if picture is not None}


def reliability(results: StudyResults) -> list[Panel]:
    """The share of correct predictions by confidence, on the headline's split and checkpoint.

    Only for heads that store class probabilities.
    """
    summary, drawn = results.summary, []
    for i, arm in enumerate(summary.arms):
        found = []
        for record in results.runs_of(arm.arm):
            place = summary.headline_checkpoint, summary.headline_split
            stored = stored_predictions(results, record, *place)
            given = None if stored is None else logits_and_labels(record.spec, stored)
            if given is not None:
                found.append((f"seed {record.spec.index}", *confidences(*given)))
        if found:
            lines = [(title, reliability_points(confidence, right)) for title, confidence, right in found]
            together = reliability_points(np.concatenate([f[1] for f in found]), np.concatenate([f[2] for f in found]))
            drawn.append((arm.arm, picture(reliability_plot, arm.arm, of_place(i), lines, together)))
    return drawn


def _panels(results: StudyResults, points_of: Callable[[RunRecord], list[Point]], labels: tuple[str, str]) -> list[Panel]:
    """A panel for each arm: heights can be compared across panels; each is as long as its arm's runs."""
    by_arm = {
        arm.arm: [
            Curve(f"seed {record.spec.index} ({record.status})", points, record.status != "ok")
            for record in results.runs_of(arm.arm)
            if (points := points_of(record))
        ]
        for arm in results.summary.arms
    }
    heights = padded([y for curves in by_arm.values() for curve in curves for _, y in curve.points])
    panels = []
    for i, (arm, curves) in enumerate(by_arm.items()):
        if curves:
            longest = max(x for curve in curves for x, _ in curve.points)
            ranges = ((0.0, longest * 1.02 or 1.0), heights)
            panels.append((arm, picture(curve_plot, arm, of_place(i), curves, labels, ranges)))
    return panels
