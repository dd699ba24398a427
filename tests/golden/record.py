"""The trajectory of a tiny BERT, and how it is written down: `python -m tests.golden.record REASON`.

A new recording says that the numbers have changed, so it demands a reason, and the CHANGELOG an entry tagged `[numbers]`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from bertft_core.storage.study_dir import write_atomically
from bertft_core.training.environment import read_environment
from bertft_core.training.run import train_run
from tests.helpers.tiny_studies import tiny_spec, tiny_study

GOLDEN_PATH = Path(__file__).with_name("tiny_bert.json")
N_STEPS = 12
SETTINGS = {"epochs": None, "max_steps": N_STEPS, "learning_rate": 2e-3, "warmup_ratio": 0.25}


def trajectory(directory: Path, dropout: float) -> dict[str, Any]:
    """Losses of 12 steps (three passes over 24 texts, six per step), validation log-loss at the end, and the weights' hash."""
    study, card = tiny_study(directory)
    record = train_run(tiny_spec(study, card, batch_size=6, dropout=dropout, **SETTINGS), run_dir=directory / "run")
    events = [json.loads(line) for line in (directory / "run" / "curves.jsonl").read_text().splitlines()]
    return {
        "losses": [event["loss"] for event in events if event["kind"] == "step"],
        "validation_log_loss": record.final["validation"]["log_loss"],
        "weights_sha256": record.weights_sha256,
    }


def trajectories() -> dict[str, dict[str, Any]]:
    """Without dropout, which every machine can repeat, and with it."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        return {"without_dropout": trajectory(Path(one), 0.0), "with_dropout": trajectory(Path(two), 0.1)}


def machine() -> dict[str, str]:
    """What the last bits depend on."""
    environment = read_environment("cpu", 1)
    names = ("torch", "transformers", "tokenizers", "numpy")
    versions = {name: environment.packages[name] for name in names}
    return versions | {"cpu": environment.device, "cpu_capability": torch.backends.cpu.get_cpu_capability()}


def main(words: list[str]) -> None:
    """Write the golden file with the reason in `words`; leave with a message when there is none."""
    reason = " ".join(words).strip()
    if len(reason) < 10:
        raise SystemExit("usage: python -m tests.golden.record REASON   (why the numbers changed, in a sentence)")
    content = {"reason": reason, "recorded_at": datetime.now(UTC).date().isoformat(), "machine": machine()} | trajectories()
    write_atomically(GOLDEN_PATH, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
