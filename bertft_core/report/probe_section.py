"""The section on forgetting and calibration: its sentences, and a picture and a table for each probe."""

from collections.abc import Mapping, Sequence
from typing import Any

from bertft_core.records import StudySummary
from bertft_core.records.probe_summary import ProbeAbsence, ProbeRow
from bertft_core.records.ranking import SCORED
from bertft_core.records.summary import shared_by
from bertft_core.report import figures
from bertft_core.report.drawings.layer_profile import Profile, profile_plot
from bertft_core.report.drawings.look import of_place
from bertft_core.report.drawings.picture import picture
from bertft_core.report.drawings.seed_points import ArmRow, SeedPoint, seed_plot
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import grammar, missing_text, probes_text
from bertft_core.statistics.mean_intervals import interval_of_mean
from bertft_core.statistics.shared_by_runs import GridCell, Splits
from bertft_core.storage.study_results import StudyResults

Section = dict[str, Any]

COLUMNS = {
    "masked_lm": {
        "loss_before": "loss before",
        "loss_after": "after",
        "loss_rise": "rise",
        "perplexity_before": "perplexity before",
        "perplexity_after": "after",
        "accuracy_before": "top-1 before",
        "accuracy_after": "after",
        "top5_accuracy_before": "top-5 before",
        "top5_accuracy_after": "after",
    },
    "gradients": {"lowest_over_top": "lowest / top layer"},
    "calibration": {
        "ece": "ECE",
        "brier": "Brier",
        "nll": "NLL",
        "confidence_right": "confidence when right",
        "confidence_wrong": "when wrong",
        "temperature": "temperature",
        "ece_scaled": "ECE scaled",
        "nll_scaled": "NLL scaled",
    },
    "out_of_domain": {"in_domain": "in domain", "out_of_domain": "out of domain", "drop": "drop"},
    "overfitting": {"minimum": "minimum", "minimum_epoch": "at epoch", "end": "at the end", "rise": "rise"},
}
"""Probe → measure → heading in its table; the numbers of single layers are in the picture and the table of all."""


def section(results: StudyResults) -> Section | None:
    """What the template lays out; None for a study without probes."""
    summary, found = results.summary, results.summary.probes
    if found is None:
        return None
    arms = [arm.arm for arm in summary.arms]
    css = {arm: of_place(i) for i, arm in enumerate(arms)}
    parts = []
    for probe, (title, note) in probes_text.TITLES.items():
        rows = [row for row in found.rows if row.probe == probe]
        missing = [_missing(absence, summary) for absence in found.absences if absence.probe == probe]
        if rows or missing:
            pictures = _pictures(probe, rows, css, results) if rows else []
            parts.append(
                {"title": title, "note": note, "pictures": pictures, "table": _table(probe, rows, css), "missing": missing}
            )
    said = [(one, grammar.said(probes_text.finding(one, found, results.study.metric), arms)) for one in found.findings]
    return {
        "verdict": grammar.ended(probes_text.verdict(found)),
        "signs": [sentence for one, sentence in said if one.is_sign],
        "other": {arm: [sentence for one, sentence in said if one.arm == arm and not one.is_sign] for arm in arms},
        "parts": parts,
        "css": css,
        "rows": found.rows,
    }


def _missing(absence: ProbeAbsence, summary: StudySummary) -> str:
    arm, seeds = next(arm for arm in summary.arms if arm.arm == absence.arm), absence.seeds
    n = sum(seed.status in SCORED for seed in arm.seeds)
    of = "" if len(seeds) == n else f", seed{'' if len(seeds) == 1 else 's'} {grammar.listed(map(str, seeds))}"
    return grammar.ended(f"{arm.arm}{of}: {missing_text.why(absence.why)}")


def _table(probe: str, rows: Sequence[ProbeRow], css: Mapping[str, str]) -> Section | None:
    """A line for each arm and split, a cell for each measure: mean ± sd."""
    columns = COLUMNS.get(probe, {})
    cells = {(row.arm, row.where, row.measure): _cell(row) for row in rows if row.measure in columns}
    names = [name for name in columns if any(measure == name for _, _, measure in cells)]
    if not names:
        return None
    of_splits = any(where is not None for _, where, _ in cells)
    lines = []
    for arm, where in dict.fromkeys((arm, where) for arm, where, _ in cells if where is not None or not of_splits):
        values = [cells.get((arm, where, name)) or cells.get((arm, None, name)) or numbers.ABSENT for name in names]
        lines.append({"arm": arm, "css": css[arm], "where": where, "cells": values})
    return {"names": [columns[name] for name in names], "lines": lines, "split": of_splits}


def _cell(row: ProbeRow) -> str:
    written = numbers.score if abs(row.mean) < 100 else numbers.setting
    return written(row.mean) + ("" if row.sd is None else f" ± {written(row.sd)}")


def _pictures(
    probe: str,
    rows: Sequence[ProbeRow],
    css: Mapping[str, str],
    results: StudyResults,
) -> list[Section]:
    """Each a picture, with the arms where their colours need a legend."""
    if probe == "overfitting":
        return [{"svg": svg, "caption": arm} for arm, svg in figures.validation_losses(results)]
    if probe == "calibration":
        return [_seeds(rows, css, results, "ece", where, f"ECE on {where}", "ece_scaled") for where in _places(rows, "ece")]
    if probe == "out_of_domain":
        label = f"drop of {results.study.metric} on "
        return [_seeds(rows, css, results, "drop", where, label + where) for where in _places(rows, "drop")]
    measure, labels, logarithmic = {
        "masked_lm": ("loss_put_back", ("top layers reset", "masked-LM loss, nats"), False),
        "drift": ("relative_l2", ("layer", "relative L2 drift"), False),
        "similarity": ("cka_unbiased", ("layer", "unbiased CKA"), False),
        "gradients": ("norm", ("layer", "gradient norm"), True),
    }[probe]
    if probe == "masked_lm" and not _places(rows, measure):
        return [_seeds(rows, css, results, "loss_rise", None, "rise of the masked-LM loss, nats")]
    before = [row.mean for row in rows if row.measure == "loss_before"]
    reference = (before[0], "before fine-tuning") if before else None
    profiles = [
        Profile(arm, css[arm], {str(row.where): row.values for row in rows if (row.arm, row.measure) == (arm, measure)})
        for arm in css
    ]
    drawn = [profile for profile in profiles if profile.values]
    places = sorted(_places(rows, measure), key=_height)
    return [
        {
            "svg": picture(profile_plot, drawn, places, labels, reference=reference, logarithmic=logarithmic),
            "arms": [p.arm for p in drawn],
        }
    ]


def _height(place: str) -> tuple[int, int]:
    """Sorts parts of a model from the bottom, and counts of layers by size."""
    number = place.rpartition(" ")[2]
    return (1, int(number)) if number.isdigit() else (2 if place == "head" else 0, 0)


def _places(rows: Sequence[ProbeRow], measure: str) -> list[str]:
    return list(dict.fromkeys(str(row.where) for row in rows if row.measure == measure))


def _seeds(
    rows: Sequence[ProbeRow],
    css: Mapping[str, str],
    results: StudyResults,
    measure: str,
    where: str | None,
    label: str,
    then: str = "",
) -> Section:
    """Every seed of every arm; `then` is a second measure, in a row of its own below the first."""
    lines, seeds = [], {arm.arm: {seed.index: seed for seed in arm.seeds} for arm in results.summary.arms}
    for arm in css:
        for name, row in ((name, _row(rows, arm, name, where)) for name in (measure, then)):
            if row is not None:
                shared = shared_by([seeds[arm][index] for index in row.values])
                lines.append(_line(f"{arm}, scaled" if name == then else arm, row, css[arm], shared))
    return {"svg": picture(seed_plot, lines, label, None)}


def _row(rows: Sequence[ProbeRow], arm: str, measure: str, where: str | None) -> ProbeRow | None:
    return next((row for row in rows if (row.arm, row.measure, row.where) == (arm, measure, where)), None)


def _line(name: str, row: ProbeRow, css: str, shared: Sequence[GridCell] | Splits | None) -> ArmRow:
    points = [SeedPoint(value, f"{name} seed {i}: {numbers.score(value)}", False) for i, value in row.values.items()]
    low, high = interval_of_mean(list(row.values.values()), shared) or (None, None)
    return ArmRow(name, points, row.mean, low, high, css)
