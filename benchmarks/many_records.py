"""A study of many records, made from a small trained one: each run is a copy with predictions of its own.

Specs are those that the planner gives, so digests, folders and checksums fit, and every command takes the study for a real one.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from bertft_core.config import StudyConfig, load_study
from bertft_core.metrics import METRICS
from bertft_core.metrics.prediction_columns import matrix, vector
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DatasetCard, RunRecord, RunSpec
from bertft_core.records.list_columns import matrix_column
from bertft_core.storage.predictions import read_predictions, write_predictions
from bertft_core.storage.study_dir import StudyDir, checked_record, write_record
from bertft_core.training.compute_choice import with_device

N_TEMPLATES = 2
"""Seeds of each arm that are trained."""
ARMS: dict[str, Any] = {
    "full": {},
    "features": {"strategies": [{"kind": "feature_extraction"}]},
    "llrd": {"strategies": [{"kind": "llrd", "decay": 0.9}]},
    "reinit": {"strategies": [{"kind": "reinit", "layers": 1}]},
    "bitfit": {"strategies": [{"kind": "bitfit"}]},
}
STUDY: dict[str, Any] = {
    "name": "scale",
    "data": {"source": "bundled", "name": "reviews", "max_length": 24, "subsample": {"train": 40}},
    "training": {"max_steps": 4, "batch_size": 8, "learning_rate": 1e-3, "evaluate_every_steps": 2},
    "ensemble": True,
    "retention": {"checkpoints": "none"},
}


def write_config(path: Path, n_seeds: int) -> Path:
    """The study of five arms with this many seeds each, as a config file; its path."""
    values = STUDY | {"arms": ARMS, "seeds": {"n": n_seeds}}
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path


def copy_records(config: Path, home: Path) -> int:
    """Give every planned run without a record that of a trained run of its arm; how many were made."""
    asked: StudyConfig = load_study(config)
    study_dir = StudyDir(home.resolve(), asked.name)
    study = with_device(asked, study_dir)  # computed as the trained runs were
    card = checked_record(study_dir.card_path, DatasetCard)
    templates: dict[str, list[RunRecord]] = {}
    for record in study_dir.records():
        templates.setdefault(record.spec.arm, []).append(record)
    specs = plan_runs(study, card, {})
    if strangers := {record.digest for of_arm in templates.values() for record in of_arm} - {spec.digest for spec in specs}:
        raise SystemExit(f"{len(strangers)} trained runs are not among those that are planned here: they would be trained again")
    made = 0
    for spec in specs:
        if not (study_dir.run_dir(spec.digest) / "record.json").exists():
            of_arm = templates[spec.arm]
            _copy(of_arm[spec.index % len(of_arm)], spec, study_dir)
            made += 1
    return made


def _copy(record: RunRecord, spec: RunSpec, study_dir: StudyDir) -> None:
    """One run: files of the template, other answers, scores that fit them."""
    source, target = study_dir.run_dir(record.digest), study_dir.run_dir(spec.digest)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("record.json", "checkpoint"))
    scores: dict[str, dict[str, dict[str, float]]] = {"final": {}, "best": {}}
    files, metrics = dict(record.files), METRICS[spec.head.kind]
    for checkpoint, splits in record.predictions.items():
        for split, name in splits.items():
            table = _answers(read_predictions(source / name), spec, f"{checkpoint}/{split}")
            write_predictions(target / name, table)
            files[name] = hashlib.sha256((target / name).read_bytes()).hexdigest()
            scores[checkpoint][split] = metrics.compute(table, spec.labels)
    write_record(target / "spec.json", spec)
    weights = hashlib.sha256(spec.digest.encode()).hexdigest()
    changes = {"spec": spec, "digest": spec.digest, "status": "ok", "files": files, "weights_sha256": weights} | scores
    write_record(target / "record.json", record.model_copy(update=changes))


def _answers(table: pa.Table, spec: RunSpec, place: str) -> pa.Table:
    """Logits that have four of five labels right, a little more or less in each arm; examples are as hard in all seeds."""
    labels, n = vector(table, "label"), table.num_rows
    hardness = np.random.default_rng([len(place), *spec.arm.encode()]).normal(size=n)
    noise = np.random.default_rng(_integer(spec.digest + place)).normal(size=matrix(table, "logits", len(spec.labels)).shape)
    logits = 0.4 * noise
    logits[np.arange(n), labels] += 1.2 - hardness
    at = table.column_names.index("logits")
    return table.set_column(at, table.schema.field("logits"), matrix_column(logits.astype(np.float32)))


def _integer(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)


def state_of_home(home: Path) -> dict[str, str]:
    """Path → SHA-256 of everything that the report's folder and the summary hold: equal before and after a change of the code."""
    found = sorted(path for path in home.glob("studies/*/report/**/*") if path.is_file())
    found += sorted(home.glob("studies/*/summary.json"))
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
