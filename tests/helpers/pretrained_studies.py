"""A study of masked language modelling that others start from."""

from __future__ import annotations

import shutil
from pathlib import Path

from bertft_core.config import StudyConfig
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.storage.study_results import StudyResults
from bertft_core.training.run import train_run
from tasks.keep_models import kept_digests

ARMS = {"slow": {"learning_rate": 1e-5}, "quick": {}, "like_quick": {"adam_epsilon": 1e-9}}


def run_study(study: StudyConfig, card: DatasetCard, home_dir: Path) -> dict[str, RunRecord]:
    """What the flow leaves on disk: config, card, records, summary, and the models that are kept."""
    study_dir = StudyDir(home_dir, study.name)
    write_record(study_dir.config_path, study)
    write_record(study_dir.card_path, card)
    planned = plan_runs(study, card, {})
    records = {spec.digest: train_run(spec, run_dir=study_dir.run_dir(spec.digest)) for spec in planned}
    write_record(study_dir.summary_path, summarize(StudyResults(study, card, study_dir, records, planned)))
    for digest in records.keys() - kept_digests(study, planned, records):
        shutil.rmtree(study_dir.run_dir(digest) / "model")
    return records
