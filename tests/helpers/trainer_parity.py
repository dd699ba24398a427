"""The same runs by transformers' Trainer: what tests of parity compare losses with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer, TrainingArguments

from bertft_core.data.batching import padded
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.heads import HEADS
from bertft_core.records import RunSpec
from bertft_core.training.determinism import init_stream
from bertft_core.training.run import train_run
from bertft_core.training.step_plan import StepPlan
from tests.helpers.batches import has_token_types
from tests.helpers.interrupted_runs import step_events


def batch_of(split: PreparedSplit, indices: np.ndarray) -> dict[str, Tensor]:
    types = [row for i in indices if (row := split.token_type_ids(i)) is not None]
    ids = np.concatenate([split.input_ids(i) for i in indices])
    return padded(ids, np.concatenate(types) if types else None, split.lengths[indices], split.pad_token_id)


def labels_for_transformers(kind: str, split: PreparedSplit, indices: np.ndarray) -> Tensor:
    if kind == "multi_label":
        return torch.from_numpy(split.matrix("label")[indices]).float()
    values = torch.from_numpy(split.values("label")[indices])
    return values.long() if kind == "classification" else values.float()


PARITY = {"batch_size": 4, "epochs": None, "max_steps": 20, "dropout": 0.0, "learning_rate": 2e-3, "warmup_ratio": 0.2}
"""Batches of 4 divide the 24 examples, since a data set in order has no shorter batch at the end of an epoch."""
Batch = Callable[[PreparedSplit, np.ndarray, int], dict[str, Tensor]]
"""Split, examples, step → a batch with labels, as the plain model takes it."""


class OwnOrder(Trainer):
    """Takes the examples as they lie in the data set."""

    def _get_train_sampler(self, *args: Any) -> Sampler:
        return SequentialSampler(self.train_dataset)


def our_steps(spec: RunSpec, run_dir: Path) -> list[dict[str, float]]:
    train_run(spec, run_dir=run_dir)
    return step_events(run_dir)


def column(steps: list[dict[str, float]], name: str) -> np.ndarray:
    return np.array([step[name] for step in steps])


def trainer_steps(
    spec: RunSpec, output_dir: Path, batch: Batch, *, accumulation: int = 1, start: Callable[..., Any] | None = None
) -> list[dict[str, float]]:
    """What the Trainer logs of every step, with our first weights (changed by `start(model, split)`), batches and settings."""
    split, training = open_split(spec.prepared_dir, "train"), spec.training
    plan = StepPlan(split.n, training, spec.seeds.order)
    with init_stream(spec.seeds.init):
        model = HEADS[spec.head.kind].build(spec.encoder_dir, spec.labels, 0.0, spec.head)
    if start is not None:
        start(model, split)
    arguments = TrainingArguments(
        output_dir=str(output_dir),
        per_device_train_batch_size=training.batch_size // accumulation,
        gradient_accumulation_steps=accumulation,
        max_steps=plan.n_steps,
        learning_rate=training.learning_rate,
        warmup_steps=round(training.warmup_ratio * plan.n_steps),
        lr_scheduler_type="linear",
        weight_decay=training.weight_decay,
        max_grad_norm=1.0,
        logging_steps=1,
        logging_strategy="steps",
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
    )
    trainer: Trainer = OwnOrder(
        model,
        arguments,
        train_dataset=[(step, int(i)) for step in range(plan.n_steps) for i in plan.indices(step)],
        data_collator=lambda items: batch(split, np.array([i for _, i in items]), items[0][0]),
        compute_loss_func=None if accumulation == 1 else mean_over_the_step,
    )
    trainer.train()
    return [entry for entry in trainer.state.log_history if "loss" in entry]


def mean_over_the_step(outputs: Any, labels: Tensor, num_items_in_batch: Tensor) -> Tensor:
    """The Trainer's own way to exact accumulation; without it a classifier's passes are added up, not averaged (5.23)."""
    logits = outputs.logits.flatten(0, -2)
    return torch.nn.functional.cross_entropy(logits, labels.flatten(), reduction="sum") / num_items_in_batch


def steps_equal_to_the_trainers(
    spec: RunSpec, directory: Path, batch: Batch, *, accumulation: int = 1, start: Callable[..., Any] | None = None
) -> list[dict[str, float]]:
    """Our steps, after loss, rate and gradient norm of all of them were found to be those of the Trainer."""
    micro = None if accumulation == 1 else spec.training.batch_size // accumulation
    training = spec.training.model_copy(update={"micro_batch_size": micro})
    ours = our_steps(spec.model_copy(update={"training": training}), directory / "ours")
    theirs = trainer_steps(spec, directory / "theirs", batch, accumulation=accumulation, start=start)
    assert len(ours) == len(theirs) == spec.training.max_steps
    np.testing.assert_allclose(column(ours, "loss"), column(theirs, "loss"), atol=1e-5, rtol=0)
    np.testing.assert_allclose(column(ours, "learning_rate"), column(theirs, "learning_rate"), rtol=1e-12)
    np.testing.assert_allclose(column(ours, "grad_norm"), column(theirs, "grad_norm"), rtol=1e-3)
    assert np.ptp(column(ours, "loss")) > 0.05, "the losses move, so equality says something"
    return ours


def plain_logits(model, split, i):
    """[T, labels] of all windows of an example, each by itself through transformers' own classifier and attention."""
    model.set_attn_implementation("eager")
    found, start = [], 0
    for length in split.window_lengths(i):
        inputs = {"input_ids": torch.tensor(split.input_ids(i)[start : start + length][None].astype(np.int64))}
        if has_token_types(split):
            inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
        found.append(model(**inputs).logits[0])
        start += length
    return torch.cat(found)


def plain_words(model, split, i, which):
    """[words, labels] by hand."""
    logits = plain_logits(model, split, i)
    pieces = [range(s, s + n) for s, n in zip(split.ragged("word_starts", i), split.ragged("word_lengths", i), strict=True)]
    chosen = {"first": lambda run: run[:1], "last": lambda run: run[-1:], "mean": lambda run: run}[which]
    return torch.stack([logits[list(chosen(run))].mean(0) for run in pieces])
