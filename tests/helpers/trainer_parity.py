"""The same runs by transformers' Trainer: what tests of parity compare losses with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler, SequentialSampler
from transformers import Trainer

from bertft_core.data.batching import padded
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.records import RunSpec
from bertft_core.training.run import train_run
from tests.helpers.batches import has_token_types


def batch_of(split: PreparedSplit, indices: np.ndarray) -> dict[str, Tensor]:
    types = [row for i in indices if (row := split.token_type_ids(i)) is not None]
    ids = np.concatenate([split.input_ids(i) for i in indices])
    return padded(ids, np.concatenate(types) if types else None, split.lengths[indices], split.pad_token_id)


def labels_for_transformers(kind: str, split: PreparedSplit, indices: np.ndarray) -> Tensor:
    if kind == "multi_label":
        return torch.from_numpy(split.matrix("label")[indices]).float()
    values = torch.from_numpy(split.values("label")[indices])
    return values.long() if kind == "classification" else values.float()


N_STEPS = 20


class OwnOrder(Trainer):
    """Takes the examples as they lie in the data set."""

    def _get_train_sampler(self, *args: Any) -> Sampler:
        return SequentialSampler(self.train_dataset)


def our_steps(spec: RunSpec, run_dir: Path) -> list[dict[str, float]]:
    train_run(spec, run_dir=run_dir)
    events = [json.loads(line) for line in (run_dir / "curves.jsonl").read_text().splitlines()]
    return [event for event in events if event["kind"] == "step"]


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
