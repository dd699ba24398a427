"""What the figures depend on: study, machine, versions, date and command."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.contestants import MAX_LENGTH, TRAINING, Job
from bertft_core.training.devices import usable_cores
from bertft_core.training.environment import read_environment

PEER_PACKAGES = ("accelerate", "datasets")


def gather_facts(job: Job, load: float, command: Sequence[str]) -> dict[str, str]:
    """Name → words, in the order to show them. `load` is the machine's load before the first process."""
    encoder = "MiniLM (all-MiniLM-L6-v2)" if job.default_encoder else str(job.encoder_dir)
    files = job.files
    return {
        "study": f"{encoder}, {job.n_seeds} seeds, {files.n_train:,} training and {files.n_validation:,} validation examples"
        f" ({files.origin}), epochs {job.epochs:g}, batch {TRAINING['batch_size']}, max_length {MAX_LENGTH}, fp32",
        "runs at a time": f"{len(job.slots)}, one thread each" + _deterministic(job.device),
        "load before": f"{load:.2f}",
    } | machine_facts(command, PEER_PACKAGES, job.device)


def machine_facts(command: Sequence[str], more_packages: Sequence[str] = (), device: str = "cpu") -> dict[str, str]:
    """Name → words: where, with which versions, when and how a benchmark was run."""
    environment = read_environment("cpu", 1)
    packages = environment.packages | {name: version(name) for name in more_packages}
    return {
        "machine": f"{environment.device}, {usable_cores()} cores, {environment.platform}" + _gpus(device),
        "versions": ", ".join([f"python {environment.python}", *(f"{name} {number}" for name, number in packages.items())]),
        "commit": f"{environment.commit}{' with changes' if environment.dirty else ''}",
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"`{shlex.join(command)}`",
    }


def _deterministic(device: str) -> str:
    return "; bertft with deterministic algorithms, Trainer without" if device == "cuda" else ""


def _gpus(device: str) -> str:
    if device == "cpu":
        return ""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return "".join(f", {name}" for name in subprocess.run(query, capture_output=True, text=True).stdout.splitlines())
