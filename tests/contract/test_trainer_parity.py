"""Same weights, same batches, no dropout: the losses of our loop are those of `transformers.Trainer`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import TrainingArguments

from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.heads import classification
from bertft_core.records import RunSpec
from bertft_core.training.determinism import init_stream
from bertft_core.training.step_plan import StepPlan
from tests.helpers.batches import collate
from tests.helpers.tiny_studies import tiny_spec, tiny_study
from tests.helpers.trainer_parity import N_STEPS, OwnOrder, our_steps


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> RunSpec:
    """Batches of 4 divide the 24 examples, since a data set in order has no shorter batch at the end of an epoch."""
    study, card = tiny_study(tmp_path_factory.mktemp("study"))
    return tiny_spec(study, card, batch_size=4, epochs=None, max_steps=N_STEPS, dropout=0.0, learning_rate=2e-3, warmup_ratio=0.2)


def their_steps(spec: RunSpec, output_dir: Path, *, accumulation: int = 1) -> list[dict[str, float]]:
    split = open_split(spec.prepared_dir, "train")
    plan = StepPlan(split.n, spec.training, spec.seeds.order)
    ordered = [int(i) for step in range(N_STEPS) for i in plan.indices(step)]
    with init_stream(spec.seeds.init):
        model = classification.HEAD.build(spec.encoder_dir, spec.labels, 0.0, spec.head)
    arguments = TrainingArguments(
        output_dir=str(output_dir),
        per_device_train_batch_size=spec.training.batch_size // accumulation,
        gradient_accumulation_steps=accumulation,
        max_steps=N_STEPS,
        learning_rate=spec.training.learning_rate,
        warmup_steps=round(spec.training.warmup_ratio * N_STEPS),
        lr_scheduler_type="linear",
        weight_decay=spec.training.weight_decay,
        max_grad_norm=1.0,
        logging_steps=1,
        logging_strategy="steps",
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = OwnOrder(
        model,
        arguments,
        train_dataset=ordered,
        data_collator=lambda indices: padded(split, indices),
        compute_loss_func=None if accumulation == 1 else mean_over_the_step,
    )
    trainer.train()
    return [entry for entry in trainer.state.log_history if "loss" in entry]


def padded(split: PreparedSplit, indices: list[int]) -> dict[str, torch.Tensor]:
    return collate(split, np.array(indices), split.pad_token_id)


def mean_over_the_step(outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor) -> torch.Tensor:
    """The Trainer's own way to exact accumulation; without it a classifier's passes are added up, not averaged (5.23)."""
    return torch.nn.functional.cross_entropy(outputs.logits, labels, reduction="sum") / num_items_in_batch


@pytest.mark.parametrize("accumulation", [1, 2])
def test_twenty_losses_are_those_of_the_trainer(spec, tmp_path, accumulation):
    micro = None if accumulation == 1 else spec.training.batch_size // accumulation
    training = spec.training.model_copy(update={"micro_batch_size": micro})
    ours = our_steps(spec.model_copy(update={"training": training}), tmp_path / "ours")
    theirs = their_steps(spec, tmp_path / "theirs", accumulation=accumulation)
    assert len(ours) == len(theirs) == N_STEPS

    def column(rows: list[dict[str, float]], name: str) -> np.ndarray:
        return np.array([row[name] for row in rows])

    np.testing.assert_allclose(column(ours, "loss"), column(theirs, "loss"), atol=1e-5, rtol=0)
    np.testing.assert_allclose(column(ours, "learning_rate"), column(theirs, "learning_rate"), rtol=1e-12)
    np.testing.assert_allclose(column(ours, "grad_norm"), column(theirs, "grad_norm"), rtol=1e-3)
    assert (column(ours, "grad_norm") > 1.0).any(), "clipping is part of the comparison"
    assert np.ptp(column(ours, "loss")) > 0.05, "the losses move, so equality says something"
