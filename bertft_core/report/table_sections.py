"""The report's tables, as plain rows; the template only lays them out."""

import os
from pathlib import Path
from typing import Any

from bertft_core.evaluation import frames
from bertft_core.evaluation.run_scores import confusions
from bertft_core.records import RunRecord, StudySummary
from bertft_core.report import summary_rows
from bertft_core.report.drawings.look import of_place
from bertft_core.report.formatting import numbers
from bertft_core.report.prose import machine_text, missing_text, model_selection_text, study_question
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults

Row = dict[str, Any]
PEAK = "peak learning rate"
"""The column of the rate that is trained with, where the batch size scales it."""


def arms(results: StudyResults) -> Row:
    """What each arm is: its strategies, the settings in which arms differ, and how many parameters are trained."""
    study, summary = results.decided.study, results.summary
    trained = [study.training_of(arm.arm, dict(arm.chosen)) for arm in summary.arms]
    settings = [
        {name: getattr(training, name) for name in type(training).model_fields} | study.own_settings(arm.arm)
        for arm, training in zip(summary.arms, trained, strict=True)
    ]
    if any(training.learning_rate_scaling != "none" for training in trained):
        settings = [own | {PEAK: training.peak_learning_rate} for own, training in zip(settings, trained, strict=True)]
    for arm, own in zip(summary.arms, settings, strict=True):
        if own.get("train_examples", 0) is None:
            own["train_examples"] = results.card.of_arm(arm.arm).splits["train"].n_examples
    _name_encoders(settings)
    always = ("learning_rate", PEAK, "batch_size", "max_steps" if settings[0]["epochs"] is None else "epochs")
    names = [name for name in settings[0] if name in always or any(s[name] != settings[0][name] for s in settings)]
    rows = []
    for i, arm in enumerate(summary.arms):
        ran = next((record for record in results.runs_of(arm.arm) if record.n_parameters), None)
        rows.append(
            {
                "arm": arm.arm,
                "css": of_place(i),
                "strategies": " + ".join(map(study_question.strategy, study.arms[arm.arm].strategies)),
                "settings": [settings[i][name] for name in names],
                "learning": numbers.ABSENT if ran is None else f"{ran.n_trainable_parameters:,}",
                "share": numbers.ABSENT if ran is None else f"{100 * ran.n_trainable_parameters / ran.n_parameters:.1f} %",
            }
        )
    return {"names": names, "rows": rows}


def _name_encoders(settings: list[Row]) -> None:
    """Folders of encoders by their names, as long as these tell them apart."""
    paths = {own["encoder.path"] for own in settings if own.get("encoder.path")}
    if len({Path(path).name for path in paths}) == len(paths):
        for own in settings:
            if own.get("encoder.path"):
                own["encoder.path"] = Path(own["encoder.path"]).name


def results(summary: StudySummary) -> list[Row]:
    """For each split, the colour and row of every arm for the headline metric."""
    colours = {arm.arm: of_place(i) for i, arm in enumerate(summary.arms)}
    return [
        {
            "split": split,
            "rows": [(colours[arm.arm], row) for arm in summary.arms for row in summary_rows.result_rows(summary, arm, split)],
        }
        for split in summary_rows.splits_of(summary)
    ]


def dropped_models(results: StudyResults) -> list[str]:
    """The report runs whose models were deleted to stay within a budget."""
    return [record.spec.title for record in results.report_runs if record.model_dropped is not None]


def runs(results: StudyResults) -> list[Row]:
    """Every planned run with its status, seeds, and scores of the headline metric."""
    summary = results.summary
    keys = [f"{summary.headline_checkpoint}/{split}/{summary.headline_metric}" for split in summary_rows.splits_of(summary)]
    return [row | {"scores": [row.get(key) for key in keys]} for row in frames.rows_of(frames.runs(results))]


def confusion_tables(results: StudyResults) -> list[Row]:
    """For each arm: mean counts per seed, and each cell's share of its true label (for the shade)."""
    tables = []
    for arm, (names, counts, n_seeds) in confusions(results).items():
        rows = []
        for label, row in zip(names, counts, strict=True):
            total = int(row.sum())
            cells = [{"mean": count / n_seeds, "share": count / total if total else 0.0} for count in row.tolist()]
            rows.append({"label": label, "cells": cells})
        tables.append({"arm": arm, "names": names, "n_seeds": n_seeds, "rows": rows})
    return tables


def searches(results: StudyResults) -> list[Row]:
    """Each search: its trials, those without a mean last, what it chose, and its Optuna report's path relative to this report."""
    found = []
    for sweep in results.sweeps.values():
        names = list(dict.fromkeys(name for trial in sweep.trials for name in trial.params))
        search = results.study.arms[sweep.arm].search
        assert search is not None
        found.append(
            {
                "sweep": sweep,
                "said": model_selection_text.search(sweep),
                "savings": model_selection_text.savings(sweep),
                "names": names,
                "trials": sorted(sweep.trials, key=lambda trial: trial.state != "complete"),
                "n_seeds": search.n_seeds,
                "link": _link(sweep.report_path, results.study_dir),
            }
        )
    return found


def _link(path: str | None, study_dir: StudyDir) -> str | None:
    """Relative, so that the study's folder can be moved or sent as a whole; a relative path starts at the study's folder."""
    if path is None or not (study_dir.path / path).exists():
        return None
    target = (study_dir.path / path).resolve()
    return Path(os.path.relpath(target, study_dir.report_dir.resolve())).as_posix()


def troubled(results: StudyResults) -> list[Row]:
    """Every run with a problem, of the report and of the searches, with its reason."""

    def why(record: RunRecord | None) -> str:
        return missing_text.why_not_ok(results.study.metric, record)

    rows = [
        {
            "what": f"{arm.arm} · seed {seed.index:03d}",
            "status": seed.status,
            "why": why(results.records.get(seed.run_digest)),
        }
        for arm in results.summary.arms
        for seed in arm.seeds
        if seed.status != "ok"
    ]
    searched = [record for record in results.search_runs if record.status != "ok"]
    return rows + [{"what": one.spec.title, "status": one.status, "why": why(one)} for one in searched]


def machines(results: StudyResults) -> Row:
    """What the report runs cost and where they ran."""
    found = results.report_runs
    where = {f"{machine_text.machine(e)}, on {e.host}" for r in found if (e := r.environment)}
    peaks = [record.peak_memory_bytes for record in found if record.peak_memory_bytes]
    return {
        "where": sorted(where),
        "seconds": sum(record.train_seconds + record.evaluate_seconds for record in found),
        "n": len(found),
        "peak_mib": max(peaks) / 2**20 if peaks else None,
        "first": min((record.started_at for record in found), default=None),
        "last": max((record.ended_at for record in found), default=None),
    }
