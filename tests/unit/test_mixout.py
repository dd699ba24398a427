"""Mixout: the formula of Lee et al. 2020, with its right gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bertft_core.strategies.mixout import mixed
from tests.helpers.every_strategy import lopsided_study, started, with_strategies
from tests.helpers.tiny_studies import tiny_spec, tiny_study


@pytest.fixture
def weights() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    old, new = (torch.randn(5, 40, dtype=torch.float64, generator=generator) for _ in range(2))
    return new.requires_grad_(True), old


def kept(p: float, n: int, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.bernoulli(torch.full((1, n), 1.0 - p, dtype=torch.float64))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.7])
def test_mixed_weights_are_those_of_the_formula(weights, p):
    new, old = weights
    m = kept(p, 40, seed=1)
    torch.manual_seed(1)
    assert torch.allclose(mixed(new, old, p), ((1 - m) * old + m * new - p * old) / (1 - p), atol=1e-12)
    assert 0 < m.mean() < 1


def test_their_mean_over_masks_is_the_weight(weights):
    new, old = weights
    torch.manual_seed(0)
    with torch.no_grad():
        mean = torch.stack([mixed(new, old, 0.3) for _ in range(20_000)]).mean(0)
    assert torch.allclose(mean, new, atol=0.05)


@pytest.mark.parametrize("p", [0.1, 0.7])
def test_the_gradient_is_exact(weights, p):
    """The public code's is too small by 1 - p: 1.0 where finite differences say 3.33 at p = 0.7."""
    new, old = weights

    def same_mask(values: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(5)
        return mixed(values, old, p)

    assert torch.autograd.gradcheck(same_mask, (new,))
    (gradient,) = torch.autograd.grad(same_mask(new).sum(), new)
    assert gradient.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)])


def test_p_of_zero_is_the_weight_and_p_of_one_the_old_one(weights):
    new, old = weights
    assert torch.equal(mixed(new, old, 0.0).detach(), old + (new.detach() - old))
    assert torch.equal(mixed(new, old, 1.0).detach(), old)


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return tiny_spec(*lopsided_study(tmp_path_factory.mktemp("study")))


@pytest.mark.parametrize("head_target", ["zero", "start"])
def test_linear_layers_are_mixed_in_training_alone_and_no_dropout_is_left(spec, tmp_path, head_target):
    model = started(with_strategies(spec, {"kind": "mixout", "p": 0.6, "head_target": head_target}), tmp_path).plan.model
    dropouts = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    assert len(dropouts) >= 5
    assert {module.p for module in dropouts} == {0.0}
    layer, head = model.base_model.encoder.layer[0].intermediate.dense, model.classifier
    inputs = torch.ones(2, 16)
    model.eval()
    for linear in (layer, head):
        assert torch.equal(linear(inputs), nn.functional.linear(inputs, linear.weight, linear.bias))
    model.train()
    assert torch.allclose(layer(inputs), nn.functional.linear(inputs, layer.weight, layer.bias), atol=1e-6), (
        "it starts from itself"
    )
    torch.manual_seed(2)
    dropped = head(inputs)
    plain = nn.functional.linear(inputs, head.weight, head.bias)
    assert torch.allclose(dropped, plain, atol=1e-6) == (head_target == "start")
    if head_target == "zero":
        keep = torch.bernoulli(torch.full((1, 16), 0.4), generator=torch.Generator().manual_seed(2))
        assert torch.allclose(dropped, nn.functional.linear(inputs * keep / 0.4, head.weight, head.bias), atol=1e-6), "dropout"


def test_a_vocabulary_layer_is_mixed_with_its_start(tmp_path):
    spec = tiny_spec(*tiny_study(tmp_path, head="masked_lm", data={"max_length": 20}, arms={"full": {}}))
    model = started(with_strategies(spec, {"kind": "mixout", "p": 0.6}), tmp_path / "run").plan.model.train()
    inputs = torch.ones(2, 16)
    dense = model.cls.predictions.transform.dense
    assert torch.allclose(dense(inputs), nn.functional.linear(inputs, dense.weight, dense.bias), atol=1e-6)


def test_layers_drawn_anew_are_mixed_with_their_new_start(spec, tmp_path):
    strategies = ({"kind": "mixout", "p": 0.6}, {"kind": "reinit", "layers": 1})
    model = started(with_strategies(spec, *strategies), tmp_path).plan.model.train()
    inputs = torch.ones(2, 16)
    for layer in model.base_model.encoder.layer:
        dense = layer.intermediate.dense
        assert torch.allclose(dense(inputs), nn.functional.linear(inputs, dense.weight, dense.bias), atol=1e-6)
