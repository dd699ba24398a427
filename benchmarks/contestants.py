"""The two ways to run the same study: a plain Trainer process per seed, and `bertft run`."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.examples import ExampleFiles
from benchmarks.measuring import Command, ProcessFailed, Usage, run_measured
from benchmarks.timing import busiest_slot, first_step_at
from bertft_core.storage.study_dir import StudyDir

STUDY = "benchmark"
TRAINING = {"learning_rate": 1e-4, "batch_size": 16, "warmup_ratio": 0.1, "weight_decay": 0.01, "max_grad_norm": 1.0}
MAX_LENGTH = 128
OnEnd = Callable[[str, float], None]


@dataclass(frozen=True)
class Job:
    """What both do."""

    files: ExampleFiles
    encoder_dir: Path
    default_encoder: bool
    n_seeds: int
    epochs: float
    device: str
    slots: list[dict[str, str]]
    """One environment for each run at a time."""

    @property
    def n_examples(self) -> float:
        """Training examples passed over by all seeds."""
        return self.files.n_train * self.epochs * self.n_seeds


@dataclass(frozen=True)
class Peer:
    """A way in which people run Trainer."""

    padded: bool = False
    """To `MAX_LENGTH`, as `run_glue.py` does by default, instead of to the longest text of a batch."""
    precision: str = "fp32"
    kernels: str = "mkl"


TRAINER = "Trainer"
TRAINERS = {
    TRAINER: Peer(),
    "Trainer, padded": Peer(padded=True),
    "Trainer, bf16": Peer(precision="bf16"),
    "Trainer, oneDNN": Peer(kernels="onednn"),
}
BERTFT = {"bertft": "fp32", "bertft, bf16": "bf16"}
"""Name → `training.precision`."""


@dataclass(frozen=True)
class Figures:
    """One contestant in one round."""

    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    examples_per_second: float
    """Of the whole study, process start and imports included."""
    startup_seconds: float
    """From the command to the first training step; the mean over the processes of a Trainer."""
    training_examples_per_second: float
    """Of one run between its first and its last step, validation left out; mean over seeds."""
    accuracy: float
    """On the validation set at the end, mean over seeds: both must have learned the same."""
    n_steps: int
    """Optimizer steps of one run."""
    gpu_bytes: int | None
    """Highest of one run."""
    orchestration_ratio: float | None = None
    """Of bertft: what is neither start-up nor work of the busiest slot, per second of that slot's training."""


def run_trainers(job: Job, directory: Path, on_end: OnEnd, peer: Peer = TRAINERS[TRAINER]) -> Figures:
    """Every seed in a fresh process, as many at a time as there are slots."""
    directory.mkdir(parents=True)
    job_path = directory / "job.json"
    values: dict[str, Any] = {
        "encoder_dir": str(job.encoder_dir),
        "train_path": str(job.files.train_path),
        "validation_path": str(job.files.validation_path),
        "labels": job.files.labels,
        "max_length": MAX_LENGTH,
        "epochs": job.epochs,
        "device": job.device,
        "cache_dir": str(directory / "datasets"),
    }
    job_path.write_text(json.dumps(values | TRAINING | asdict(peer)))
    script = Path(__file__).with_name("trainer_process.py")
    result_paths = [directory / f"seed-{seed}.json" for seed in range(job.n_seeds)]
    commands = [
        Command(
            f"Trainer seed {i}", [sys.executable, "-P", str(script), str(job_path), str(i), str(path)], path.with_suffix(".log")
        )
        for i, path in enumerate(result_paths)
    ]
    usage = run_measured(commands, job.slots, on_end)
    results = [json.loads(path.read_text()) for path in result_paths]
    n_seen = job.n_examples / job.n_seeds
    return _figures(
        job,
        usage,
        startup_seconds=statistics.mean(result["startup_seconds"] for result in results),
        training_examples_per_second=statistics.mean(n_seen / result["train_seconds"] for result in results),
        accuracy=statistics.mean(result["accuracy"] for result in results),
        n_steps=results[0]["n_steps"],
        gpu_bytes=max((result["gpu_bytes"] or 0 for result in results), default=0) or None,
    )


def run_bertft(job: Job, directory: Path, on_end: OnEnd, precision: str = "fp32") -> Figures:
    """`bertft run` in a new home, with its embedded Prefect server and its MLflow store."""
    directory.mkdir(parents=True)
    config_path, home_dir = directory / "study.yaml", directory / "home"
    config_path.write_text(yaml.safe_dump(study_config(job, precision), sort_keys=False))
    words = [sys.executable, "-m", "flows.cli.app", "run", str(config_path), "--home", str(home_dir)]
    usage = run_measured([Command("bertft run", words, directory / "bertft.log")], [{}], on_end)
    records = list(StudyDir(home_dir, STUDY).records())
    if len(records) != job.n_seeds:
        raise ProcessFailed(f"bertft left {len(records)} records for {job.n_seeds} seeds")
    startup_seconds = first_step_at(records) - usage.started_at
    train_seconds, work_seconds = busiest_slot(records)
    return _figures(
        job,
        usage,
        startup_seconds=startup_seconds,
        training_examples_per_second=statistics.mean(record.examples_per_second or 0.0 for record in records),
        accuracy=statistics.mean(record.final["validation"]["accuracy"] for record in records),
        n_steps=records[0].n_steps,
        gpu_bytes=max(record.peak_memory_bytes or 0 for record in records) if job.device == "cuda" else None,
        orchestration_ratio=(usage.wall_seconds - startup_seconds - work_seconds) / train_seconds,
    )


def study_config(job: Job, precision: str = "fp32") -> dict[str, Any]:
    """The study as a user would write it: one arm, no search."""
    return {
        "name": STUDY,
        "data": {
            "source": "files",
            "train": str(job.files.train_path),
            "validation": str(job.files.validation_path),
            "max_length": MAX_LENGTH,
        },
        "encoder": {} if job.default_encoder else {"path": str(job.encoder_dir)},
        "training": TRAINING | {"epochs": job.epochs, "precision": precision},
        "arms": {"full": {}},
        "seeds": {"n": job.n_seeds},
        "headline": {"split": "validation", "checkpoint": "final"},
        "execution": {"device": job.device, "slots": len(job.slots)},
        "retention": {"checkpoints": "none"},  # Trainer saves none either
    }


def _figures(job: Job, usage: Usage, **others: Any) -> Figures:
    return Figures(
        wall_seconds=usage.wall_seconds,
        cpu_seconds=usage.cpu_seconds,
        peak_memory_bytes=usage.peak_memory_bytes,
        examples_per_second=job.n_examples / usage.wall_seconds,
        **others,
    )
