"""Studies whose runs have splits of their own: real splits of real texts, and predictions made without training."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from bertft_core.config import StudyConfig
from bertft_core.data.prepared_split import open_split
from bertft_core.evaluation.summarize import summarize
from bertft_core.metrics.classification import scores
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DatasetCard, RunRecord, RunSpec
from bertft_core.storage.predictions import write_predictions
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.storage.study_results import StudyResults
from tests.helpers.small_records import classified, make_environment
from tests.helpers.tiny_studies import tiny_study

WITHOUT_TEST = {"validation": None, "test": None}


def drawn_study(directory: Path, design: dict[str, Any], n: int = 1, **how: Any) -> tuple[StudyConfig, DatasetCard]:
    """The tiny study with a split design over its 24 training texts."""
    data = WITHOUT_TEST | how.pop("data", {})
    return tiny_study(directory, data=data, seeds={"n": n, "design": {"split": design}}, **how)


def drawn_results(
    directory: Path,
    design: dict[str, Any],
    skill: dict[str, float],
    n: int = 1,
    mislabelled: Collection[str] = (),
    sharpness: float = 3.0,
    **how: Any,
) -> StudyResults:
    """The results of runs that answer right with the `skill` of their arm, on the examples of their own split.

    The stored label is the wrong one of the examples whose id is in `mislabelled`.
    """
    study, card = drawn_study(
        directory, design, n, arms={arm: {"learning_rate": 0.001 * i} for i, arm in enumerate(skill, 1)}, **how
    )
    study_dir = StudyDir(directory / "home", study.name)
    planned = plan_runs(study, card, {})
    records = {spec.digest: _record(spec, study_dir, skill[spec.arm], mislabelled, sharpness) for spec in planned}
    results = StudyResults(study, card, study_dir, records, planned)
    results = results.with_summary(summarize(results))
    for path, record in ((study_dir.config_path, study), (study_dir.card_path, card), (study_dir.summary_path, results.summary)):
        write_record(path, record)
    return results


def _record(spec: RunSpec, study_dir: StudyDir, skill: float, mislabelled: Collection[str], sharpness: float) -> RunRecord:
    run_dir, found, files = study_dir.run_dir(spec.digest), {}, {}
    rng = np.random.default_rng([spec.seeds.init, len(spec.arm)])
    for split in spec.evaluated_splits:
        prepared = open_split(spec.prepared_dir, split)
        truth = np.where([name in mislabelled for name in prepared.example_ids], 1 - prepared.labels, prepared.labels)
        answers = np.where(rng.random(prepared.n) < skill, truth, 1 - truth)
        logits = rng.normal(size=(prepared.n, 2)).clip(-1, 1).astype(np.float32)
        logits[np.arange(prepared.n), answers] += sharpness
        found[split] = dict(scores(logits, prepared.labels, spec.labels))
        files[split] = f"predictions/{split}.parquet"
        path = run_dir / files[split]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(path, classified(prepared.example_ids, prepared.labels, logits))
    record = RunRecord(
        spec=spec,
        digest=spec.digest,
        status="ok",
        started_at="2026-01-01T00:00:00Z",
        ended_at="2026-01-01T00:00:30Z",
        n_steps=10,
        planned_steps=10,
        best_step=5,
        final=found,
        best=found,
        predictions={"final": files, "best": files},
        environment=make_environment(),
    )
    write_record(run_dir / "record.json", record)
    return record
