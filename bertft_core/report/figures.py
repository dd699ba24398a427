"""Which pictures the report shows, from the records."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from bertft_core.config.study_config import StudyConfig
from bertft_core.evaluation import majority_scores
from bertft_core.evaluation.calibration import confidences, logits_and_labels, reliability_points
from bertft_core.evaluation.run_scores import stored_predictions
from bertft_core.records import ArmSummary, DatasetCard, RunRecord, StudySummary
from bertft_core.report import run_plots, summary_rows
from bertft_core.report.curve_bands import ArmCurves, band_plot
from bertft_core.report.drawings.reliability_diagram import reliability_plot
from bertft_core.report.formatting import numbers
from bertft_core.report.run_curves import loss_curve, validation_curve, validation_loss_curve
from bertft_core.report.svg import padded
from bertft_core.storage import StudyDir


def seed_plots(study: StudyConfig, card: DatasetCard, summary: StudySummary) -> list[Markup]:
    """A picture of every seed per arm for each split, the headline split first."""
    found = []
    for split in summary_rows.splits_of(summary):
        rows = [_arm_row(arm, split, summary) for arm in summary.arms]
        if any(row.points for row in rows):
            majority = majority_scores(card, split).get(summary.headline_metric)
            label = f"{summary.headline_metric} on {split}, {summary.headline_checkpoint} checkpoint"
            found.append(run_plots.seed_plot(rows, label, majority))
    return found


def _arm_row(arm: ArmSummary, split: str, summary: StudySummary) -> run_plots.ArmRow:
    key = f"{summary.headline_checkpoint}/{split}/{summary.headline_metric}"
    having = [seed for seed in arm.seeds if key in seed.scores]
    points = [
        run_plots.SeedPoint(
            seed.scores[key], f"{arm.arm} seed {seed.index}: {numbers.score(seed.scores[key])}", seed.status == "collapsed"
        )
        for seed in having
    ]
    row = summary_rows.row_of(arm, split, summary.headline_checkpoint, summary.headline_metric)
    ends = (None, None, None) if row is None else (row.mean, row.t_low, row.t_high)
    return run_plots.ArmRow(arm.arm, points, *ends)


def validation_curves(study: StudyConfig, summary: StudySummary, records: Mapping[str, RunRecord]) -> list[tuple[str, Markup]]:
    """(arm, picture) of the validation metric over epochs; every run that validated, also one that failed later."""
    by_arm = {
        arm.arm: [
            run_plots.Curve(f"seed {seed.index} ({seed.status})", points, seed.status != "ok")
            for seed in arm.seeds
            if (record := records.get(seed.run_digest)) and (points := validation_curve(record, study.metric))
        ]
        for arm in summary.arms
    }
    return _panels(by_arm, ("epoch", f"validation {study.metric}"))


def validation_losses(summary: StudySummary, records: Mapping[str, RunRecord]) -> list[tuple[str, Markup]]:
    """(arm, picture) of the validation loss over epochs, of the runs that recorded it."""
    by_arm = {
        arm.arm: [
            run_plots.Curve(f"seed {seed.index} ({seed.status})", points, seed.status != "ok")
            for seed in arm.seeds
            if (record := records.get(seed.run_digest)) and (points := validation_loss_curve(record))
        ]
        for arm in summary.arms
    }
    return _panels(by_arm, ("epoch", "validation loss"))


def loss_curves(summary: StudySummary, study_dir: StudyDir) -> list[tuple[str, Markup]]:
    """(arm, picture) of the training loss over steps, from each run's `curves.jsonl`."""
    by_arm = {
        arm.arm: [
            run_plots.Curve(f"seed {seed.index} ({seed.status})", points, seed.status != "ok")
            for seed in arm.seeds
            if (points := loss_curve(study_dir.run_dir(seed.run_digest)))
        ]
        for arm in summary.arms
    }
    return _panels(by_arm, ("step", "training loss"))


def bands(study: StudyConfig, summary: StudySummary, records: Mapping[str, RunRecord], study_dir: StudyDir) -> dict[str, Markup]:
    """Name of the file → picture: validation metric and training loss of every arm, as bands over its runs."""
    validation, loss = [], []
    for i, arm in enumerate(summary.arms):
        ran = [records[seed.run_digest] for seed in arm.seeds if seed.run_digest in records]
        validation.append(ArmCurves(arm.arm, i, [validation_curve(record, study.metric) for record in ran]))
        loss.append(ArmCurves(arm.arm, i, [loss_curve(study_dir.run_dir(record.digest)) for record in ran]))
    found = {
        "curves_validation": band_plot(validation, ("epoch", f"validation {study.metric}")),
        "curves_loss": band_plot(loss, ("step", "training loss")),
    }
    return {name: picture for name, picture in found.items() if picture is not None}


def reliability(summary: StudySummary, records: Mapping[str, RunRecord], study_dir: StudyDir) -> list[tuple[str, Markup]]:
    """(arm, picture) of the share of correct predictions by confidence, on the headline's split and checkpoint.

    Only for heads that store class probabilities.
    """
    checkpoint, split, drawn = summary.headline_checkpoint, summary.headline_split, []
    for i, arm in enumerate(summary.arms):
        found = []
        for record in (records[seed.run_digest] for seed in arm.seeds if seed.run_digest in records):
            stored = stored_predictions(record, study_dir.run_dir(record.digest), checkpoint, split)
            given = None if stored is None else logits_and_labels(record.spec, stored)
            if given is not None:
                found.append((f"seed {record.spec.index}", *confidences(*given)))
        if found:
            lines = [(title, reliability_points(confidence, right)) for title, confidence, right in found]
            together = reliability_points(np.concatenate([f[1] for f in found]), np.concatenate([f[2] for f in found]))
            drawn.append((arm.arm, reliability_plot(arm.arm, run_plots.colour(i), lines, together)))
    return drawn


def _panels(by_arm: Mapping[str, list[run_plots.Curve]], labels: tuple[str, str]) -> list[tuple[str, Markup]]:
    """A panel for each arm: heights can be compared across panels; each is as long as its arm's runs."""
    points = [point for curves in by_arm.values() for curve in curves for point in curve.points]
    if not points:
        return []
    heights = padded([y for _, y in points])
    panels = []
    for i, (arm, curves) in enumerate(by_arm.items()):
        if curves:
            longest = max(x for curve in curves for x, _ in curve.points)
            panels.append(
                (arm, run_plots.curve_plot(arm, run_plots.colour(i), curves, labels, ((0.0, longest * 1.02 or 1.0), heights)))
            )
    return panels
