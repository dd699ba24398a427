"""One seed with a plain `transformers.Trainer`, in a process of its own: python trainer_process.py JOB.json SEED RESULT.json

Written as people write it after the course and `run_glue.py`, with the collator that pads each batch to its longest example.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from datasets import load_dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)


class FirstStep(TrainerCallback):
    """Notes when the first training step begins."""

    began_at: float | None = None

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.began_at = self.began_at or time.time()


def train(job: dict[str, Any], seed: int, output_dir: Path) -> dict[str, float | int | None]:
    """Fine-tune once; seconds, steps, accuracy and the GPU's peak memory."""
    tokenizer = AutoTokenizer.from_pretrained(job["encoder_dir"])
    label_ids = {label: i for i, label in enumerate(job["labels"])}

    def encode(rows: dict[str, list]) -> dict[str, list]:
        padding = "max_length" if job["padded"] else False
        encoded = tokenizer(rows["text"], truncation=True, max_length=job["max_length"], padding=padding)
        return {**encoded, "labels": [label_ids[label] for label in rows["label"]]}

    files = {"train": job["train_path"], "validation": job["validation_path"]}
    data = load_dataset("json", data_files=files, cache_dir=job["cache_dir"])
    data = data.map(encode, batched=True, remove_columns=["text", "label"])
    if job["kernels"] == "onednn":
        torch.backends.mkldnn.matmul.fp32_precision = "bf16"  # exact on CPUs without matrix units; see docs/decisions/0015
    model = AutoModelForSequenceClassification.from_pretrained(job["encoder_dir"], num_labels=len(label_ids), dtype=torch.float32)
    first_step = FirstStep()
    trainer = Trainer(
        model,
        arguments(job, seed, output_dir),
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=data["train"],
        eval_dataset=data["validation"],
        compute_metrics=lambda p: {"accuracy": float(np.mean(np.argmax(p.predictions, axis=-1) == p.label_ids))},
        callbacks=[first_step],
    )
    trained = trainer.train()
    evaluations = [entry for entry in trainer.state.log_history if "eval_runtime" in entry]
    evaluate_seconds = sum(entry["eval_runtime"] for entry in evaluations)
    return {
        "startup_seconds": first_step.began_at - psutil.Process().create_time(),
        "train_seconds": trained.metrics["train_runtime"] - evaluate_seconds,
        "evaluate_seconds": evaluate_seconds,
        "n_steps": trainer.state.global_step,
        "accuracy": evaluations[-1]["eval_accuracy"],
        "gpu_bytes": torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None,
    }


def arguments(job: dict[str, Any], seed: int, output_dir: Path) -> TrainingArguments:
    """The study's settings in Trainer's words; AdamW, its betas and its epsilon are the same by default."""
    return TrainingArguments(
        output_dir=str(output_dir),
        seed=seed,
        num_train_epochs=job["epochs"],
        per_device_train_batch_size=job["batch_size"],
        per_device_eval_batch_size=job["batch_size"],
        learning_rate=job["learning_rate"],
        lr_scheduler_type="linear",
        warmup_steps=job["warmup_ratio"],  # below 1 it is a share of the steps
        weight_decay=job["weight_decay"],
        max_grad_norm=job["max_grad_norm"],
        eval_strategy="epoch",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=job["device"] == "cpu",
        bf16=job["precision"] == "bf16",
    )


if __name__ == "__main__":
    job_path, seed, result_path = sys.argv[1:]
    result = train(json.loads(Path(job_path).read_text()), int(seed), Path(result_path).with_suffix(""))
    Path(result_path).write_text(json.dumps(result))
