"""Studies that were evaluated, made without training: what tests of comparisons start from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bertft_core.evaluation.summarize import evaluated, summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DatasetCard
from bertft_core.report.study_report import write_report_once
from bertft_core.storage.study_dir import StudyDir, file_sha256, write_record
from bertft_core.storage.study_results import StudyResults
from tests.helpers.small_records import make_card, make_record, make_study


def make_results(
    home: Path,
    accuracies: dict[str, list[float | str]],
    *,
    card: DatasetCard | None = None,
    **changes: Any,
) -> StudyResults:
    """A study in `home`: for each arm and seed the accuracy to aim at, or a status such as 'diverged' or 'collapsed'."""
    arms = {arm: {"learning_rate": 1e-5 * (i + 1)} for i, arm in enumerate(accuracies)}  # two alike would be one run
    n = max(len(values) for values in accuracies.values())
    study = make_study(**{"arms": arms, "seeds": {"n": n}} | changes)
    card, study_dir, records = card or make_card(home), StudyDir(home, study.name), {}
    planned = plan_runs(study, card, {})
    for spec in planned:
        value = accuracies[spec.arm][spec.index] if spec.index < len(accuracies[spec.arm]) else "missing"
        if value == "missing":
            continue
        status = value if isinstance(value, str) else "ok"
        accuracy = 0.5 if isinstance(value, str) else value
        records[spec.digest] = make_record(spec, card, study_dir, status=status, accuracy=accuracy, alike=True)
    results = StudyResults(study, card, study_dir, records, planned)
    results = results.with_summary(summarize(results))
    write_record(study_dir.config_path, study)
    write_record(study_dir.card_path, card)
    write_record(study_dir.summary_path, results.summary)
    return results


def sealed_results(tmp_path):
    """Evaluated results whose records know their files, with a sealed summary and report."""
    results = make_results(tmp_path, {"low": [0.6, 0.65, 0.7], "high": [0.8, 0.75, 0.85]})
    records = {}
    for digest, record in results.records.items():
        folder = results.run_dir_of(digest)
        files = {name: file_sha256(folder / name) for splits in record.predictions.values() for name in splits.values()}
        records[digest] = record.model_copy(update={"files": files})
        write_record(folder / "record.json", records[digest])
    results = evaluated(StudyResults(results.study, results.card, results.study_dir, records, results.planned))
    write_record(results.study_dir.summary_path, results.summary)
    write_report_once(results)
    return results
