"""Seeds by a plain `transformers.Trainer` in one warm process: python -P -m benchmarks.gpu.trainer_seeds JOB.json

Dynamic padding, the same tokens, steps and evaluations as bertft. After a first short seed, whose imports and first kernels are
nobody's speed, it writes `ready`, waits for a line, and trains the timed seeds. The last line is its figures as JSON; then it
waits to be ended.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments

from bertft_core.data.prepared_split import PreparedSplit, open_split


def main(job: dict[str, Any]) -> None:
    """Warm up, wait, train, and print."""
    answers, sys.stdout = sys.stdout, sys.stderr  # the Trainer prints
    splits = {name: _rows(open_split(job["prepared_dir"], name)) for name in ("train", "validation", "test")}
    _train(job, splits, seed=0, n_steps=min(job["n_steps"], job["warm_up_steps"]))
    print("ready", file=answers, flush=True)
    sys.stdin.readline()
    seconds, started = [], time.time()
    for seed in range(1, job["n_seeds"] + 1):
        seconds.append(_train(job, splits, seed, job["n_steps"]))
    figures = {"began_at": started, "ended_at": time.time(), "train_seconds": seconds} | _memory()
    print(json.dumps(figures), file=answers, flush=True)
    sys.stdin.readline()  # what it holds of the device is being measured


def _rows(split: PreparedSplit) -> list[dict[str, Any]]:
    return [{"input_ids": split.input_ids(i).tolist(), "labels": int(split.labels[i])} for i in range(split.n)]


def _train(job: dict[str, Any], splits: dict[str, Any], seed: int, n_steps: int) -> float:
    """Seconds of the training loop, without evaluations."""
    tokenizer = AutoTokenizer.from_pretrained(job["encoder_dir"])
    model = AutoModelForSequenceClassification.from_pretrained(job["encoder_dir"], num_labels=2, dtype=torch.float32)
    trainer = Trainer(
        model,
        _arguments(job, seed, n_steps),
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
    )
    trained = trainer.train()
    evaluated = sum(entry["eval_runtime"] for entry in trainer.state.log_history if "eval_runtime" in entry)
    for name in ("validation", "test"):
        trainer.predict(splits[name])
    return float(trained.metrics["train_runtime"]) - evaluated


def _arguments(job: dict[str, Any], seed: int, n_steps: int) -> TrainingArguments:
    precision = {"tf32": job["precision"] == "tf32"} if job["device"] == "cuda" else {}
    return TrainingArguments(
        output_dir=str(Path(job["output_dir"])),
        seed=seed,
        max_steps=n_steps,
        per_device_train_batch_size=job["batch_size"],
        per_device_eval_batch_size=64,
        learning_rate=2e-5,
        warmup_steps=n_steps // 10,
        weight_decay=0.01,
        eval_strategy="steps",
        eval_steps=job["evaluate_every_steps"],
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        bf16=job["precision"] == "bf16",
        use_cpu=job["device"] == "cpu",
        **precision,
    )


def _memory() -> dict[str, int]:
    if not torch.cuda.is_available():
        return {}
    return {"peak_bytes": torch.cuda.max_memory_allocated(), "peak_reserved_bytes": torch.cuda.max_memory_reserved()}


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
