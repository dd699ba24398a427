"""A small study with real prediction files, made without training: what tests of summaries, reports and tracking start from."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa

from bertft_core.config import StudyConfig, parse_study
from bertft_core.metrics.classification import majority_scores, scores
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import (
    DataFinding,
    DatasetCard,
    EncoderIdentity,
    Environment,
    Evaluation,
    RunRecord,
    RunSpec,
    SplitCard,
    SweepResult,
    TrialRow,
)
from bertft_core.records.data_card import SplitOrigin
from bertft_core.records.list_columns import matrix_column
from bertft_core.storage.predictions import write_predictions
from bertft_core.storage.study_dir import StudyDir, write_record

LABELS = ("negative", "positive")
N_EXAMPLES = {"train": 80, "validation": 40, "test": 40, "other_domain": 20}


def make_study(**changes: Any) -> StudyConfig:
    """Two arms, three seeds, a search on `full`; `changes` replace whole top-level keys."""
    search = {
        "space": {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}, "batch_size": {"choices": [8, 16]}},
        "n_trials": 3,
        "n_seeds": 2,
    }
    values: dict[str, Any] = {
        "name": "small",
        "description": "A study made for tests.",
        "data": {"source": "bundled", "name": "reviews"},
        "training": {"epochs": 2},
        "arms": {"features": {"strategies": [{"kind": "feature_extraction"}]}, "full": {"search": search}},
        "seeds": {"n": 3},
    }
    return parse_study(values | changes)


def make_card(directory: Path, labels: tuple[str, ...] = LABELS, splits: dict[str, int] | None = None) -> DatasetCard:
    """A card as if `directory` held the tokenised data; the labels are spread evenly."""
    sizes = splits or N_EXAMPLES
    return DatasetCard(
        name="reviews",
        source="bundled",
        fingerprint="f" * 64,
        directory=str(directory / "data"),
        encoder=EncoderIdentity(checkpoint="tests/tiny", revision=None, weights_sha256="e" * 64),
        encoder_dir=str(directory / "encoder"),
        labels=labels,
        max_length=32,
        splits={name: _split(name, n, sizes["train"], labels) for name, n in sizes.items()},
        findings=(
            DataFinding(
                check="truncated",
                split="train",
                count=2,
                numbers={"n_examples": 40, "max_length": 32, "longest": 41},
                examples=("train:7",),
            ),
        ),
    )


def _split(name: str, n: int, n_train: int, labels: tuple[str, ...]) -> SplitCard:
    counts = np.bincount(np.arange(n) % len(labels), minlength=len(labels))
    return SplitCard(
        n_examples=n,
        label_counts={label: int(count) for label, count in zip(labels, counts, strict=True)},
        truncated_ratio=0.025,
        unknown_token_ratio=0.001,
        mean_length=17.5,
        origin=SplitOrigin(path=f"{name}.csv"),
        sha256="a" * 64,
        constant_scores=majority_scores(np.arange(n_train) % len(labels), np.arange(n) % len(labels), labels),
    )


def make_spec(study: StudyConfig, card: DatasetCard, arm: str = "full", index: int = 0) -> RunSpec:
    """The planned report run of one arm and seed index."""
    return next(spec for spec in plan_runs(study, card, {}) if (spec.arm, spec.index) == (arm, index))


def make_record(
    spec: RunSpec,
    card: DatasetCard,
    study_dir: StudyDir,
    *,
    status: str = "ok",
    accuracy: float = 0.8,
    error: str | None = None,
    alike: bool = False,
) -> RunRecord:
    """A run with about this accuracy on every split; writes predictions, curves and the record where a study keeps them.

    `alike`: an arm finds the same examples hard in every seed, as trained models do: the wrong answers of a better run are among
    those of a worse one. Arms differ in what they find hard. Scores in the record stay as if the seeds were not alike.
    """
    run_dir = study_dir.run_dir(spec.digest)
    values_of, files = {}, {}
    if status in ("ok", "collapsed"):
        for checkpoint in ("final", "best"):
            scored = {s: _predict(spec, card, run_dir, checkpoint, s, accuracy, alike) for s in spec.evaluated_splits}
            values_of[checkpoint] = {split: values for split, (values, _) in scored.items()}
            files[checkpoint] = {split: name for split, (_, name) in scored.items()}
    curves = _write_curves(run_dir, accuracy, spec.index)
    record = RunRecord(
        spec=spec,
        digest=spec.digest,
        status=status,
        error=error,
        started_at="2026-01-01T00:00:00Z",
        ended_at="2026-01-01T00:00:30Z",
        train_seconds=20.0 + spec.index,
        evaluate_seconds=1.5,
        n_steps=10,
        planned_steps=10,
        n_train_examples=80,
        examples_per_second=8.0,
        n_parameters=1000,
        n_trainable_parameters=1000,
        evaluations=curves,
        best_step=5 if values_of else None,
        best_score=values_of["best"]["validation"]["accuracy"] if values_of else None,
        majority_score=0.5,
        final=values_of.get("final", {}),
        best=values_of.get("best", {}),
        predictions=files,
        weights_sha256=f"{spec.index:02d}" * 32 if values_of else None,
        environment=make_environment(),
    )
    write_record(run_dir / "record.json", record)
    return record


def _predict(
    spec: RunSpec, card: DatasetCard, run_dir: Path, checkpoint: str, split: str, accuracy: float, alike: bool
) -> tuple[dict[str, float], str]:
    draw = (spec.index, len(spec.arm), len(split), int(checkpoint == "best"))
    n = card.splits[split].n_examples
    found, content = _made_up(draw, split, n, card.labels, accuracy)
    if alike:
        content = _made_alike(spec.arm, spec.index, split, n, card.labels, accuracy)
    name = f"predictions/{checkpoint}-{split}.parquet"
    (run_dir / name).parent.mkdir(parents=True, exist_ok=True)
    (run_dir / name).write_bytes(content)
    return dict(found), name


@lru_cache(maxsize=1000)
def _made_up(
    draw: tuple[int, ...], split: str, n: int, classes: tuple[str, ...], accuracy: float
) -> tuple[dict[str, float], bytes]:
    """Scores and the file of predictions; a test makes the same small study as another."""
    rng, n_classes = np.random.default_rng(draw), len(classes)
    labels = np.arange(n) % n_classes
    answers = np.where(rng.permutation(n) < round(accuracy * n), labels, (labels + 1) % n_classes)
    logits = rng.normal(size=(n, n_classes)).clip(-1, 1).astype(np.float32)
    logits[np.arange(n), answers] += 3
    return scores(logits, labels, classes), _as_file(split, labels, logits)


@lru_cache(maxsize=1000)
def _made_alike(arm: str, index: int, split: str, n: int, classes: tuple[str, ...], accuracy: float) -> bytes:
    labels = np.arange(n) % len(classes)
    hard_last = np.random.default_rng([ord(letter) for letter in arm]).permutation(n)
    answers = np.where(hard_last < round(accuracy * n), labels, (labels + 1) % len(classes))
    logits = np.random.default_rng(index).normal(size=(n, len(classes))).clip(-1, 1)
    logits[np.arange(n), answers] += 3
    return _as_file(split, labels, logits)


def _as_file(split: str, labels: Any, logits: Any) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "predictions.parquet")
        write_predictions(path, classified([f"{split}/{i}" for i in range(len(labels))], labels, logits))
        return path.read_bytes()


def classified(example_ids: list[str], labels: Any, logits: Any) -> pa.Table:
    """Predictions of a classifier as a run stores them."""
    columns = {
        "example_id": pa.array(example_ids, pa.string()),
        "label": pa.array(np.asarray(labels), pa.int32()),
        "logits": matrix_column(np.asarray(logits, np.float32)),
    }
    return pa.table(columns)


def _write_curves(run_dir: Path, accuracy: float, index: int) -> tuple[Evaluation, ...]:
    evaluations = tuple(
        Evaluation(step=5 * epoch, epoch=float(epoch), metrics={"accuracy": accuracy - 0.1 / epoch, "log_loss": 0.7 / epoch})
        for epoch in (1, 2)
    )
    numbers = {"learning_rate": 1e-4, "grad_norm": 1.0}
    steps = [{"kind": "step", "step": s, "loss": 0.7 - 0.05 * s + 0.01 * index} | numbers for s in range(1, 11)]
    events = steps + [{"kind": "evaluation"} | evaluation.model_dump() for evaluation in evaluations]
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "curves.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return evaluations


def make_environment() -> Environment:
    """A made-up machine."""
    return Environment(
        python="3.11.9",
        platform="Linux",
        device="made-up CPU",
        threads=1,
        packages={"torch": "2.13.0"},
        commit="c" * 40,
        host="h",
    )


def make_sweep(study_dir: StudyDir) -> SweepResult:
    """A search of `full` with a complete, a pruned and a failed trial."""
    folder = study_dir.sweep_dir("full", "5" * 64)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text("<p>Optuna</p>")
    return SweepResult(
        arm="full",
        digest="5" * 64,
        metric="accuracy",
        n_planned=3,
        trials=(
            TrialRow(number=0, state="complete", params={"learning_rate": 2e-4, "batch_size": 8}, score=0.85, scores=(0.8, 0.9)),
            TrialRow(number=1, state="pruned", params={"learning_rate": 1e-5, "batch_size": 16}, score=0.6, scores=(0.6,)),
            TrialRow(number=2, state="failed", params={"learning_rate": 9e-4, "batch_size": 8}, score=None),
        ),
        chosen={"learning_rate": 2e-4, "batch_size": 8},
        best_trial=0,
        best_score=0.85,
        storage_path=str(folder / "journal.log"),
        report_path=str(folder / "report.html"),
    )
