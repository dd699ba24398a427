"""Packed, cached or padded: the logits are those of the plain transformers model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoTokenizer

from bertft_core.config.head_settings import ClassificationHead
from bertft_core.data.batching import evaluation_batches
from bertft_core.data.prepared_split import PreparedSplit, open_split
from bertft_core.heads import classification
from bertft_core.metrics.prediction_columns import matrix
from bertft_core.training.determinism import configure
from bertft_core.training.model_runner import EVALUATION_BATCH_SIZE, ModelRunner
from bertft_core.training.packing import Packing
from tests.helpers.batches import collate, has_token_types
from tests.helpers.tiny_encoders import KINDS
from tests.helpers.tiny_studies import tiny_study

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    configure(1, CPU)


@pytest.fixture(scope="module", params=[(kind, pairs) for kind in KINDS for pairs in (False, True)], ids=str)
def case(request, tmp_path_factory) -> tuple[str, Any, PreparedSplit, Path]:
    """Family, model in evaluation mode, training split, encoder folder."""
    kind, pairs = request.param
    _, card = tiny_study(tmp_path_factory.mktemp(kind), kind=kind, pairs=pairs)
    torch.manual_seed(5)
    model = classification.HEAD.build(card.encoder_dir, card.labels, None, ClassificationHead())
    for name, parameter in model.named_parameters():  # fresh heads are so small that a wrong one would hardly show
        if not name.startswith(model.base_model_prefix + "."):
            nn.init.normal_(parameter, std=0.5)
    split = open_split(card.directory, "train")
    assert has_token_types(split) == (kind not in ("distilbert", "deberta-v2"))
    if pairs and has_token_types(split):
        assert set(split.token_type_ids(0)) == {0, 1}
    return kind, model.eval(), split, Path(card.encoder_dir)


def padded_logits(model: Any, split: PreparedSplit, indices: np.ndarray) -> torch.Tensor:
    """What a user of transformers would compute: one padded batch, the model's own attention."""
    model.set_attn_implementation("eager")
    batch = collate(split, indices, split.pad_token_id)
    batch.pop("labels")
    return model(**batch).logits


@torch.no_grad()
def test_logits_are_those_of_the_padded_model(case):
    _, model, split, _ = case
    indices = np.array([3, 17, 0, 11, 6])
    assert len(set(split.lengths[indices])) > 2, "there is something to pad"
    expected = padded_logits(model, split, indices)
    forward = ModelRunner(model, ClassificationHead(), CPU)
    assert forward.batches == "packed"
    logits = forward.logits(split, indices)
    assert logits.shape == (5, 2)
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    assert float(expected.std(dim=0).min()) > 1e-3, "the examples differ"


@torch.no_grad()
def test_logits_are_those_of_texts_given_to_tokenizer_and_model(case):
    _, model, split, encoder_dir = case
    indices = np.array([1, 6, 8])
    texts = [split.texts(i) for i in indices]
    inputs = AutoTokenizer.from_pretrained(encoder_dir)(*map(list, zip(*texts, strict=True)), padding=True, return_tensors="pt")
    if not has_token_types(split):
        inputs.pop("token_type_ids", None)
    model.set_attn_implementation("sdpa")
    expected = model(**inputs).logits
    forward = ModelRunner(model, ClassificationHead(), CPU)
    torch.testing.assert_close(forward.logits(split, indices), expected, atol=1e-5, rtol=0)
    forward.use_packed_attention(False)
    assert torch.equal(model(**inputs).logits, expected), "the model has its own attention back"


@torch.no_grad()
def test_the_head_behind_stored_states_gives_the_same_logits(case):
    _, model, split, _ = case
    forward = ModelRunner(model, ClassificationHead(), CPU)
    assert forward.separable(split)
    indices = np.array([2, 9, 4])
    expected = forward.logits(split, indices)
    states = torch.stack(
        forward.evaluate(split, lambda split, indices: list(forward.states(forward.head_inputs(split, indices))))
    )
    assert states.shape == (split.n, 16)
    forward.features = {split.name: (states, np.arange(split.n + 1))}
    torch.testing.assert_close(forward.logits(split, indices), expected, atol=1e-5, rtol=0)


def test_gradients_are_those_of_the_padded_model(case):
    _, model, split, _ = case
    indices = np.array([3, 17, 0, 11, 6])
    gradients = []
    for compute in (
        lambda: padded_logits(model, split, indices),
        lambda: ModelRunner(model, ClassificationHead(), CPU).logits(split, indices),
    ):
        model.zero_grad()
        (compute() ** 2).sum().backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    expected, found = gradients
    assert len(expected) > 30
    for name in expected.keys() | found.keys():  # a pooling layer that the head leaves out has none on either side
        scale = max(1.0, float(expected[name].abs().max()))
        torch.testing.assert_close(found[name] / scale, expected[name] / scale, atol=2e-5, rtol=0)


@torch.no_grad()
def test_rows_come_back_in_the_order_of_the_split(case):
    _, model, split, _ = case
    (order,) = evaluation_batches(split, EVALUATION_BATCH_SIZE)
    assert order.tolist() != list(range(split.n)), "batches are made by length"
    forward = ModelRunner(model, ClassificationHead(), CPU)
    rows = torch.from_numpy(matrix(forward.predict(split), "logits", 2))
    some = range(0, split.n, 3)
    one_by_one = torch.cat([forward.logits(split, np.array([i])) for i in some])
    torch.testing.assert_close(rows[list(some)], one_by_one, atol=1e-5, rtol=0)


@torch.no_grad()
def test_an_example_does_not_see_its_neighbours(case):
    _, model, split, _ = case
    forward = ModelRunner(model, ClassificationHead(), CPU)
    in_company = forward.logits(split, np.array([0, 5, 9, 12]))[:1]
    in_other_company = forward.logits(split, np.array([0, 8, 7]))[:1]
    torch.testing.assert_close(in_company, in_other_company, atol=1e-5, rtol=0)


def test_evaluation_leaves_random_state_alone(case):
    _, model, split, _ = case
    torch.manual_seed(11)
    before = torch.get_rng_state()
    ModelRunner(model, ClassificationHead(), CPU).predict(split)
    assert torch.equal(torch.get_rng_state(), before)


def test_packing_lays_tokens_out_and_back():
    packing = Packing.of(np.array([3, 1, 2]), CPU)
    assert packing.starts.tolist() == [0, 3, 4]
    assert packing.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert packing.places.tolist() == [0, 1, 2, 3, 6, 7]
    assert packing.rectangle.view(3, 3).tolist() == [[0, 1, 2], [3, 0, 0], [4, 5, 0]]
    minus = -float("inf")
    assert packing.mask[:, 0, 0].tolist() == [[0, 0, 0], [0, minus, minus], [0, 0, minus]]


def test_a_window_of_attention_leaves_no_row_without_a_token():
    packing = Packing.of(np.array([4, 1]), CPU)
    assert packing.within(3) is packing.mask, "as far as the longest text"
    read = packing.within(1)[:, 0] == 0
    assert read.int().tolist() == [
        [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]],
        [[1, 0, 0, 0]] * 4,
    ]


# Dropout


@pytest.fixture(scope="module", params=KINDS)
def family(request, tmp_path_factory) -> tuple[str, PreparedSplit]:
    _, card = tiny_study(tmp_path_factory.mktemp(request.param), kind=request.param)
    return card.encoder_dir, open_split(card.directory, "train")


def test_a_dropout_override_reaches_every_dropout(family):
    encoder_dir, _ = family
    model = classification.HEAD.build(encoder_dir, ("a", "b"), 0.37, ClassificationHead())
    shares = [module.p for module in model.modules() if isinstance(module, nn.Dropout)]
    assert len(shares) >= 6
    assert set(shares) == {0.37}
    settings = json.loads(model.config.to_json_string())
    named = {name: value for name, value in settings.items() if "drop" in name}
    assert named
    assert set(named.values()) == {0.37}


def test_without_an_override_the_checkpoint_decides(family):
    encoder_dir, _ = family
    config = AutoConfig.from_pretrained(encoder_dir)
    model = classification.HEAD.build(encoder_dir, ("a", "b"), None, ClassificationHead())
    changed = {name for name, value in config.to_dict().items() if "drop" in name and getattr(model.config, name) != value}
    assert not changed
    assert 0.1 in {module.p for module in model.modules() if isinstance(module, nn.Dropout)}


@torch.no_grad()
def test_dropout_acts_in_training_mode_everywhere_and_not_at_zero(family):
    encoder_dir, split = family
    indices = np.arange(6)
    for dropout in (0.0, 0.2):
        torch.manual_seed(1)
        model = classification.HEAD.build(encoder_dir, ("a", "b"), dropout, ClassificationHead())
        forward = ModelRunner(model.eval(), ClassificationHead(), CPU)
        evaluated = forward.logits(split, indices)
        model.train()
        torch.manual_seed(2)
        trained = forward.logits(split, indices)
        torch.manual_seed(2)
        again = forward.logits(split, indices)
        assert torch.equal(trained, again), "drawn from the generator alone"
        assert torch.equal(trained, evaluated) == (dropout == 0.0)
