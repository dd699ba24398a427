"""One row for each report run, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from bertft_core.config.study_config import StudyConfig
from bertft_core.records import ArmSummary, RunRecord, SeedScore, StudySummary


def runs_csv(study: StudyConfig, summary: StudySummary, records: Mapping[str, RunRecord]) -> str:
    """Every planned run: seeds, resolved setting, status, every score as `checkpoint/split/metric`. `records` by digest.

    A value that does not exist is an empty cell.
    """
    rows = [_row(study, arm, seed, records.get(seed.run_digest)) for arm in summary.arms for seed in arm.seeds]
    columns = dict.fromkeys(column for row in rows for column in row)
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _row(study: StudyConfig, arm: ArmSummary, seed: SeedScore, record: RunRecord | None) -> dict[str, Any]:
    setting = study.training_of(arm.arm, dict(arm.chosen)).model_dump(mode="json")
    return {
        "arm": arm.arm,
        "index": seed.index,
        "status": seed.status,
        "init_seed": seed.init_seed,
        "order_seed": seed.order_seed,
        "dropout_seed": seed.dropout_seed,
        "run_digest": seed.run_digest,
        "weights_sha256": seed.weights_sha256,
        "best_step": seed.best_step,
        "train_seconds": None if record is None else record.train_seconds,
        "error": seed.error,
        **setting,
        **seed.scores,
    }
