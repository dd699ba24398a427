"""Layers by hand: losses, states and gradients are those of transformers' own modules, also with dropout, whatever learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.models.modernbert import modeling_modernbert
from transformers.models.modernbert.modeling_modernbert import rotate_half

from bertft_core.config.encoder_families import FAMILIES, is_by_hand
from bertft_core.config.head_settings import ClassificationHead
from bertft_core.records import RunSpec
from bertft_core.records.compute import Compute
from bertft_core.training.fast_layers.bert_block import PARTS_OF
from bertft_core.training.fast_layers.blocks_of import MODERN, blocks_of
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.run import train_run
from tests.helpers.every_strategy import HEADS, SETTINGS, lopsided_study, started, with_strategies
from tests.helpers.interrupted_runs import losses_in, step_events
from tests.helpers.random_models import CPU, gradients, inputs_of, model_of
from tests.helpers.tiny_studies import tiny_spec, tiny_study

REFERENCE, FAST = Compute(path="reference", masks=2), Compute(path="fast", masks=2)
BY_HAND = [kind for kind, parts in FAMILIES.items() if parts.by_hand]


def states_and_gradients(model: Any, compute: Compute, which: str, seed: int = 7) -> tuple[Tensor, dict[str, Tensor]]:
    runner = ModelRunner(model, ClassificationHead(), CPU, compute=compute)
    torch.manual_seed(seed)
    states = runner.states(inputs_of(model, which))
    return states.detach(), gradients(model, states)


def dropping(kind: str, p: float, **changes: Any) -> Any:
    model = model_of(kind, changes).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = p
    return model


def assert_same(found: dict[str, Tensor], expected: dict[str, Tensor], atol: float) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        scale = max(1.0, float(values.abs().max()))
        torch.testing.assert_close(found[name] / scale, values / scale, atol=atol, rtol=0, msg=name)


@pytest.fixture
def exact_rotation(monkeypatch):
    """transformers turns queries and keys of ModernBERT in fp32, also of a model in float64."""

    def turned(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor, unsqueeze_dim: int = 1) -> tuple[Tensor, Tensor]:
        cos, sin = cos.unsqueeze(unsqueeze_dim), sin.unsqueeze(unsqueeze_dim)
        return q * cos + rotate_half(q) * sin, k * cos + rotate_half(k) * sin

    monkeypatch.setattr(modeling_modernbert, "apply_rotary_pos_emb", turned)


DROPPED = {"attention_dropout": 0.2, "mlp_dropout": 0.2, "embedding_dropout": 0.2}
WITH_BIASES = {"attention_bias": True, "mlp_bias": True, "norm_bias": True}
WINDOWS = {"local_attention": 8, "global_attn_every_n_layers": 3}
MADE_BY_HAND: list[tuple[str, float, dict[str, Any]]] = [
    *((kind, p, {}) for kind in BY_HAND for p in (0.0, 0.2)),
    ("electra", 0.2, {"embedding_size": 16}),
    ("modernbert", 0.0, WINDOWS),
    ("modernbert", 0.2, WINDOWS | WITH_BIASES | DROPPED),
]


@pytest.mark.parametrize("which", ["first token", "all tokens"])
@pytest.mark.parametrize(("kind", "p", "changes"), MADE_BY_HAND, ids=str)
def test_states_and_gradients_are_those_of_the_modules_also_with_dropout(kind, p, changes, which, exact_rotation):
    results = [states_and_gradients(dropping(kind, p, **changes), compute, which) for compute in (REFERENCE, FAST)]
    torch.testing.assert_close(results[1][0], results[0][0], atol=1e-10, rtol=0)
    assert_same(results[1][1], results[0][1], 1e-10)
    other, _ = states_and_gradients(dropping(kind, p, **changes), FAST, which, seed=8)
    assert torch.equal(other, results[1][0]) == (p == 0.0), "masks come from the generator"


@pytest.mark.parametrize("compute", [REFERENCE, FAST], ids=["reference", "fast"])
def test_a_pass_that_is_computed_again_for_its_gradient_has_the_same_masks(compute):
    results = []
    for again in (False, True):
        model = dropping("bert", 0.2)
        runner, inputs = ModelRunner(model, ClassificationHead(), CPU, compute=compute), inputs_of(model, "all tokens")
        torch.manual_seed(7)
        states = checkpoint(runner.states, inputs, use_reentrant=False) if again else runner.states(inputs)
        results.append((states.detach(), gradients(model, states)))
    assert torch.equal(*(states for states, _ in results))
    assert_same(results[1][1], results[0][1], 1e-12)


FREEZING: dict[str, Callable[[str], bool]] = {
    "the lower layers": lambda name: "embeddings" in name or "layer.0." in name,
    "all but biases": lambda name: not name.endswith("bias"),
    "queries and keys": lambda name: "query" in name or "key" in name,
    "all but norms": lambda name: "LayerNorm" not in name,
    "all but the lowest values": lambda name: "layer.0.attention.self.value" not in name,
}


@pytest.mark.parametrize("what", FREEZING)
def test_what_is_frozen_has_no_gradient_and_the_rest_has_its_own(what):
    results = []
    for compute in (REFERENCE, FAST):
        model = dropping("bert", 0.1)
        for name, values in model.named_parameters():
            values.requires_grad_(not FREEZING[what](name))
        results.append(states_and_gradients(model, compute, "all tokens"))
    assert results[0][1], "something learns"
    assert_same(results[1][1], results[0][1], 1e-10)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "modernbert"])
def test_bf16_strays_from_fp32_about_as_far_as_autocast_does(kind):
    """Weights, states between layers, norms and sums are fp32 on both paths."""
    exact = states_and_gradients(dropping(kind, 0.0), FAST, "all tokens")[0].float()
    errors = []
    for compute in (REFERENCE, FAST):
        model = dropping(kind, 0.0).float()
        runner = ModelRunner(model, ClassificationHead(), CPU, "bf16", compute)
        states = runner.states(inputs_of(model, "all tokens"))
        assert states.dtype == torch.float32
        assert all(g.dtype == torch.float32 and torch.isfinite(g).all() for g in gradients(model, states).values())
        errors.append(float((states.detach() - exact).norm() / exact.norm()))
    assert 0 < errors[1] < 1.5 * errors[0] < 0.05


def test_weights_of_an_evaluation_are_those_of_the_last_update():
    """They are laid out once for an evaluation, so a change in their place must be noticed."""
    model = dropping("bert", 0.0)
    runner = ModelRunner(model, ClassificationHead(), CPU, compute=FAST)
    optimizers = [torch.optim.AdamW(model.parameters(), lr=0.01, fused=True), torch.optim.SGD(model.parameters(), lr=0.01)]
    for optimizer in optimizers:
        with torch.no_grad():
            before = runner.states(inputs_of(model, "all tokens"))
        gradients(model, runner.states(inputs_of(model, "all tokens")))
        optimizer.step()
        with torch.no_grad():
            after = runner.states(inputs_of(model, "all tokens"))
            expected = ModelRunner(model, ClassificationHead(), CPU, compute=FAST).states(inputs_of(model, "all tokens"))
        assert torch.equal(after, expected)
        assert not torch.equal(after, before)


# Whole runs


def run_of(spec: RunSpec, compute: Compute, run_dir: Any, **training: Any) -> np.ndarray:
    changed = spec.model_copy(update={"compute": compute, "training": spec.training.model_copy(update=training)})
    train_run(changed, run_dir=run_dir)
    return losses_in(run_dir)


@pytest.mark.parametrize("kind", BY_HAND)
def test_twenty_steps_have_the_same_losses_on_both_paths(tmp_path, kind):
    spec = tiny_spec(*tiny_study(tmp_path, kind=kind), epochs=4)
    paths = {"reference": REFERENCE, "fast": FAST}
    losses = {name: run_of(spec, each, tmp_path / name, dropout=0.1) for name, each in paths.items()}
    assert len(losses["fast"]) == 20
    np.testing.assert_allclose(losses["fast"], losses["reference"], atol=1e-5, rtol=0)
    norms = [[event["grad_norm"] for event in step_events(tmp_path / name)] for name in losses]
    assert max(norms[1]) > 1.0, "clipping is part of it"
    original = run_of(spec, Compute(), tmp_path / "original", dropout=0.1)
    assert original[1:] != pytest.approx(losses["fast"][1:], abs=1e-3), "other masks"


@pytest.mark.parametrize("head", [head for head in HEADS if head != "classification"])
def test_every_head_learns_the_same_on_both_paths(tmp_path, head):
    spec = tiny_spec(*HEADS[head](tmp_path))
    losses = {name: run_of(spec, each, tmp_path / name) for name, each in {"reference": REFERENCE, "fast": FAST}.items()}
    assert len(losses["fast"]) >= 5
    np.testing.assert_allclose(losses["fast"], losses["reference"], atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", SETTINGS)
def test_every_strategy_does_the_same_on_both_paths(tmp_path, kind):
    spec = with_strategies(tiny_spec(*lopsided_study(tmp_path)), SETTINGS[kind])
    losses = {name: run_of(spec, each, tmp_path / name) for name, each in {"reference": REFERENCE, "fast": FAST}.items()}
    np.testing.assert_allclose(losses["fast"], losses["reference"], atol=2e-5, rtol=1e-5)
    saved = {name: saved_weights(tmp_path / name) for name in losses}
    for values in saved.values():  # softmax does not see biases of keys: their gradient is rounding, which Adam makes large
        for name in [name for name in values if name.endswith("key.bias")]:
            del values[name]
    assert_same(saved["fast"], saved["reference"], 2e-4)


def saved_weights(run_dir: Any) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(run_dir / "model" / "model.safetensors")


def test_layers_with_a_forward_pass_of_a_strategy_are_left_to_it(tmp_path):
    spec = with_strategies(tiny_spec(*lopsided_study(tmp_path)), SETTINGS["mixout"]).model_copy(update={"compute": FAST})
    blocks = started(spec, tmp_path / "run").runner._by_hand
    assert blocks
    assert not any(block.is_plain for block in blocks.values())


def test_the_families_by_hand_are_those_that_are_known_and_have_gelu():
    assert set(BY_HAND) == {*PARTS_OF, MODERN}
    assert is_by_hand({"model_type": "bert", "hidden_act": "gelu"})
    assert is_by_hand({"model_type": "distilbert"}), "it is what transformers takes where nothing is said"
    for other in ({"hidden_act": "relu"}, {"hidden_act": "gelu_new"}, {"is_decoder": True}, {"model_type": "mpnet"}):
        assert not is_by_hand({"model_type": "bert", "hidden_act": "gelu"} | other)
    model = model_of("bert", {})
    assert len(blocks_of(model.base_model)) == 3
