"""Same weights, same batches, no dropout: the losses of our loop are those of `transformers.Trainer`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from bertft_core.data.prepared_split import PreparedSplit
from tests.helpers.batches import collate
from tests.helpers.tiny_studies import tiny_spec, tiny_study
from tests.helpers.trainer_parity import PARITY, column, steps_equal_to_the_trainers


def texts(split: PreparedSplit, indices: np.ndarray, step: int) -> dict[str, torch.Tensor]:
    return collate(split, indices, split.pad_token_id)


@pytest.mark.parametrize("accumulation", [1, 2])
def test_twenty_losses_are_those_of_the_trainer(tmp_path: Path, accumulation: int) -> None:
    spec = tiny_spec(*tiny_study(tmp_path), **PARITY)
    ours = steps_equal_to_the_trainers(spec, tmp_path, texts, accumulation=accumulation)
    assert (column(ours, "grad_norm") > 1.0).any(), "clipping is part of the comparison"
