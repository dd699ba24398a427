"""A batch in one row: states and gradients are those of transformers' own padded batch, for every family that is packed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bertft_core.config.encoder_families import PACKED, batches_of
from bertft_core.config.head_settings import ClassificationHead
from bertft_core.data.batching import padded
from bertft_core.heads.inputs import HeadInputs
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.packed_families import PACKED_FAMILIES
from bertft_core.training.packing import IMPLEMENTATION, Packing
from tests.helpers.random_models import CPU, LENGTHS, gradients, inputs_of, model_of

SPANS = 16
DISENTANGLED = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": SPANS // 2}
ATTENTION = ("attention.self.dropout", "attention.attn.dropout", "attention.dropout")
"""Ends of the names of the modules that drop attention."""
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((kind, {}) for kind in PACKED),
    ("electra", {"embedding_size": 16}),
    ("modernbert", {"local_attention": 64}),
    ("modernbert", {"local_attention": 8, "global_attn_every_n_layers": 3, "attention_bias": True}),
    ("deberta-v2", DISENTANGLED | {"share_att_key": True, "norm_rel_ebd": "layer_norm", "position_biased_input": False}),
    ("deberta-v2", DISENTANGLED | {"pos_att_type": ["c2p"], "max_relative_positions": 20}),
    ("deberta-v2", {"relative_attention": True, "pos_att_type": ["p2c"], "max_relative_positions": SPANS // 2}),
]


def padded_states(model: Any, inputs: HeadInputs) -> Tensor:
    """What a user of transformers computes."""
    batch = padded(inputs.input_ids, inputs.token_type_ids, inputs.window_lengths, model.config.pad_token_id)
    hidden = model.base_model(**batch).last_hidden_state
    return hidden[:, 0] if inputs.positions is None else hidden[batch["attention_mask"].bool()]


@pytest.mark.parametrize("which", ["first token", "all tokens"])
@pytest.mark.parametrize(("kind", "changes"), VARIANTS, ids=str)
def test_states_and_gradients_are_those_of_a_padded_batch(kind, changes, which):
    model = model_of(kind, changes)
    inputs = inputs_of(model, which)
    expected = padded_states(model, inputs)
    of_expected = gradients(model, expected)
    runner = ModelRunner(model, ClassificationHead(), CPU)
    assert runner.batches == "packed"
    found = runner.states(inputs)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    assert float(expected.detach().std(dim=0).min()) > 0.01, "the texts differ"
    of_found = gradients(model, found)
    assert len(of_expected) >= 20
    for name in of_expected.keys() | of_found.keys():
        scale = max(1.0, float(of_expected[name].abs().max()))
        torch.testing.assert_close(of_found[name] / scale, of_expected[name] / scale, atol=1e-10, rtol=0, msg=name)


@torch.no_grad()
@pytest.mark.parametrize("kind", PACKED)
def test_no_linear_layer_sees_padding(kind):
    changes = DISENTANGLED if kind == "deberta-v2" else {}
    model = model_of(kind, changes)
    rows = []
    for module in model.base_model.modules():
        if isinstance(module, nn.Linear | nn.LayerNorm):
            module.register_forward_hook(lambda module, inputs, output: rows.append(inputs[0][..., 0].numel()))
    runner = ModelRunner(model, ClassificationHead(), CPU)
    for which in ("first token", "all tokens"):
        rows.clear()
        runner.states(inputs_of(model, which))
        assert set(rows) <= {int(LENGTHS.sum()), len(LENGTHS), SPANS}
        assert (len(LENGTHS) in rows) == (which == "first token")


def test_every_packed_family_has_its_layers():
    assert set(PACKED_FAMILIES) == set(PACKED)


@torch.no_grad()
def test_a_convolution_over_tokens_is_not_packed():
    model = model_of("deberta-v2", {"conv_kernel_size": 3})
    inputs = inputs_of(model, "all tokens")
    runner = ModelRunner(model, ClassificationHead(), CPU)
    assert runner.batches == batches_of({"model_type": "deberta-v2", "conv_kernel_size": 3}) == "padded"
    torch.testing.assert_close(runner.states(inputs), padded_states(model, inputs), atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", PACKED)
def test_the_model_has_its_own_attention_when_it_is_saved(kind):
    model = model_of(kind, {})
    own = model.config._attn_implementation
    runner = ModelRunner(model, ClassificationHead(), CPU)
    assert (model.config._attn_implementation == IMPLEMENTATION) == PACKED_FAMILIES[kind].by_interface
    runner.use_packed_attention(False)
    assert model.config._attn_implementation == own


@torch.no_grad()
@pytest.mark.parametrize("kind", PACKED)
def test_attention_has_its_dropout_in_training_only(kind):
    """All others are off; masks are drawn from the generator alone."""
    model = model_of(kind, {})
    inputs = inputs_of(model, "all tokens")
    runner = ModelRunner(model, ClassificationHead(), CPU)
    evaluated = runner.states(inputs)
    model.train()
    for share in (0.0, 0.3):
        for name, module in model.named_modules():
            if isinstance(module, nn.Dropout):
                module.p = share if name.endswith(ATTENTION) else 0.0
            elif hasattr(module, "attention_dropout"):  # ModernBERT's is a number
                module.attention_dropout = share
        drawn = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            drawn.append(runner.states(inputs))
        assert torch.equal(drawn[0], drawn[1])
        assert torch.equal(drawn[0], drawn[2]) == torch.equal(drawn[0], evaluated) == (share == 0.0)


def test_a_layout_and_its_gradient_are_those_of_indexing_to_the_last_bit():
    lengths, rng = np.array([3, 5, 1, 4]), torch.Generator().manual_seed(1)
    packing, n_tokens, more_rows = Packing.of(lengths, CPU), int(lengths.sum()), 3
    tokens = torch.randn(n_tokens + more_rows, 2, 6, generator=rng, requires_grad=True)
    laid_out, by_indexing = packing.laid_out(tokens), tokens[packing.rectangle].view(4, 5, 2, 6)
    assert torch.equal(laid_out, by_indexing)
    real = (packing.mask == 0).view(4, 5, 1, 1)
    weight = torch.randn(laid_out.shape, generator=rng) * real  # nothing reads padding
    ours, theirs = (torch.autograd.grad((each * weight).sum(), tokens)[0] for each in (laid_out, by_indexing))
    assert torch.equal(ours, theirs)
    assert ours[n_tokens:].abs().max() == 0 < ours[:n_tokens].abs().min()
    rectangle = torch.randn(4, 5, 2, 6, generator=rng, requires_grad=True)
    taken, by_indexing = packing.taken_back(rectangle), rectangle.flatten(0, 1)[packing.places]
    assert torch.equal(taken, by_indexing)
    weight = torch.randn(taken.shape, generator=rng)
    ours, theirs = (torch.autograd.grad((each * weight).sum(), rectangle)[0] for each in (taken, by_indexing))
    assert torch.equal(ours, theirs)
    assert torch.equal(
        packing.laid_out(packing.taken_back(rectangle))[real.expand_as(rectangle)], rectangle[real.expand_as(rectangle)]
    )
