"""Every family of encoders with every head: it works or is refused, and obeys the laws of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bertft_core.config import UserError
from bertft_core.config.head_settings import HEAD_CONFIGS, ClassificationHead
from bertft_core.data.batching import padded
from bertft_core.data.prepared_split import open_split
from bertft_core.heads import HEADS
from bertft_core.training.determinism import init_stream
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.run import train_run
from bertft_core.training.slots import Slots
from tests.helpers import family_table
from tests.helpers.interrupted_runs import RESUMABLE, interrupted, result_in
from tests.helpers.tiny_encoders import KINDS, NEWER_KINDS, PLAIN_KINDS, tiny_encoder
from tests.helpers.tiny_studies import tiny_spec, tiny_study

CPU = torch.device("cpu")
OTHERS = (*NEWER_KINDS, *PLAIN_KINDS)
QUICK = ("big_bird", "longformer")
"""The families that need most of their own; all others are slow tests."""


def quick(kinds: tuple[str, ...]) -> list[Any]:
    return [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in kinds]


# The table of the guide


def test_the_table_of_the_guide_has_every_family_and_head():
    found = family_table.table_in_guide()
    assert found[:2] == family_table.header()
    rows = [line.strip("| ").split(" | ") for line in found[2:]]
    assert [cells[0].strip("`") for cells in rows] == list(family_table.TRIED)
    for kind, cells in zip(family_table.TRIED, rows, strict=True):
        assert cells[-2:] == [family_table.layers_of(kind), family_table.batches_of(kind)]
        assert set(cells[1:-2]) <= {family_table.YES, family_table.NO}


@pytest.mark.parametrize(("kind", "head"), [("longformer", "question_answering"), ("eurobert", "question_answering")])
def test_cells_of_the_table_that_once_failed_in_a_run(tmp_path, kind, head):
    cells = family_table.table_in_guide()[2 + family_table.TRIED.index(kind)].strip("| ").split(" | ")
    assert cells[1 + list(family_table.HEADS).index(head)] == family_table.outcome(kind, head, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", family_table.TRIED)
def test_the_table_of_the_guide_is_what_is_found(tmp_path, kind):
    found = [family_table.outcome(kind, head, tmp_path / head) for head in family_table.HEADS]
    assert family_table.table_in_guide()[2 + family_table.TRIED.index(kind)] == family_table.row(kind, found)


# Laws


@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
def test_no_weight_of_a_new_head_is_left_as_the_memory_was(tmp_path, kind):
    tiny_encoder(tmp_path, kind)
    was = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)  # torch then fills new memory with NaN
    try:
        with init_stream(3):
            model = HEADS["masked_lm"].build(str(tmp_path), (), None, HEAD_CONFIGS["masked_lm"]())
    finally:
        torch.use_deterministic_algorithms(was)
    assert not [name for name, values in model.named_parameters() if not torch.isfinite(values).all()]
    bias = getattr(model.get_output_embeddings(), "bias", None)
    assert bias is None or not bias.any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", quick(OTHERS))
def test_a_run_gives_the_same_bits_after_a_kill_and_in_a_fresh_process(tmp_path, kind):
    spec = tiny_spec(*tiny_study(tmp_path, kind=kind, data={"max_length": 60}), **RESUMABLE)
    train_run(spec, run_dir=tmp_path / "plain")
    interrupted(spec, tmp_path / "killed", "step", 7)
    train_run(spec, run_dir=tmp_path / "killed")
    with Slots([{"PYTHONHASHSEED": "1"}], tmp_path / "logs") as slots, slots.lease() as worker:
        worker.run(spec, tmp_path / "fresh", lambda event: None)
    assert result_in(tmp_path / "killed") == result_in(tmp_path / "plain") == result_in(tmp_path / "fresh")


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["pooler", "mean"])
@pytest.mark.parametrize("kind", [*KINDS, *OTHERS])
def test_a_text_has_the_logits_that_transformers_gives_it_alone(tmp_path, monkeypatch, kind, pooling):
    """Whatever it shares a batch with: the shortest and longest texts, and those in between."""
    if pooling == "mean" and kind in PLAIN_KINDS:
        with pytest.raises(UserError, match="not available"):
            made(tmp_path, kind, pooling)
        return
    runner, split = made(tmp_path, kind, pooling)
    if kind == "longformer":  # its softmax is in float32, which hides what is below 1e-7
        own = torch.nn.functional.softmax
        monkeypatch.setattr(torch.nn.functional, "softmax", lambda scores, dim, dtype: own(scores, dim=dim))
    indices = np.arange(split.n)
    together = runner.logits(split, indices)
    alone = torch.cat([runner.logits(split, indices[i : i + 1]) for i in indices])
    torch.testing.assert_close(together, alone, atol=1e-10, rtol=0)
    assert float(alone.std(dim=0).min()) > 1e-3, "the texts differ"
    if pooling == "pooler":
        runner.use_packed_attention(False)
        pad = split.pad_token_id
        batches = [padded(split.input_ids(i), split.token_type_ids(i), split.lengths[i : i + 1], pad) for i in indices]
        plain = [runner.model(**batch).logits for batch in batches]
        torch.testing.assert_close(together, torch.cat(plain), atol=1e-10, rtol=0)


def made(directory: Path, kind: str, pooling: str) -> tuple[ModelRunner, Any]:
    """A classifier in float64 in evaluation mode, and texts of 4 to 60 tokens."""
    _, card = tiny_study(directory, kind=kind, data={"max_length": 60})
    head = ClassificationHead(pooling=pooling)
    torch.manual_seed(5)
    model = HEADS["classification"].build(card.encoder_dir, card.labels, None, head).double().eval()
    for name, values in model.named_parameters():  # fresh heads are so small that a wrong one would hardly show
        if not name.startswith(model.base_model_prefix + "."):
            torch.nn.init.normal_(values, std=0.5)
    return ModelRunner(model, head, CPU), open_split(card.directory, "train")
