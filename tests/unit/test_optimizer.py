"""AdamW, its two groups and the learning rate over the steps, against the reference implementations."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import (
    Trainer,
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

from bertft_core.config.head_settings import ClassificationHead
from bertft_core.config.training_settings import TrainingConfig
from bertft_core.heads import classification
from bertft_core.strategies.plan import FinetuningPlan
from bertft_core.training.optimizer import SCHEDULES, build_optimizer, decayed_names, learning_rate_factor, n_warmup_steps
from tests.helpers.tiny_encoders import KINDS, tiny_encoder


@pytest.fixture(scope="module", params=KINDS)
def model(request, tmp_path_factory) -> nn.Module:
    encoder_dir = tiny_encoder(tmp_path_factory.mktemp(request.param), request.param)
    return classification.HEAD.build(str(encoder_dir), ("a", "b"), None, ClassificationHead())


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero():
    factors = [learning_rate_factor(step, n_steps=10, n_warmup=4) for step in range(11)]
    assert factors == pytest.approx([0, 1 / 4, 2 / 4, 3 / 4, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0])
    assert factors[4] == 1.0
    assert factors[10] == 0.0


def test_without_warm_up_the_first_step_has_the_peak():
    assert [learning_rate_factor(step, 4, 0) for step in range(5)] == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_a_run_of_one_step_with_warm_up_learns_nothing_and_without_it_everything():
    assert learning_rate_factor(0, 1, 1) == 0.0
    assert learning_rate_factor(0, 1, 0) == 1.0


@pytest.mark.parametrize(("n_steps", "ratio", "expected"), [(100, 0.1, 10), (15, 0.1, 2), (9, 0.1, 1), (7, 0.0, 0), (3, 0.99, 3)])
def test_warm_up_steps_are_rounded_up(n_steps, ratio, expected):
    assert n_warmup_steps(n_steps, ratio) == expected


def test_the_schedule_is_the_one_of_transformers():
    compared = 0
    for n_steps in (1, 2, 3, 7, 10, 101, 1000):
        for n_warmup in {0, 1, 2, n_steps // 10, n_steps // 2, n_steps - 1, n_steps}:
            optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
            (theirs,) = get_linear_schedule_with_warmup(optimizer, n_warmup, n_steps).lr_lambdas
            for step in range(n_steps + 1):
                assert learning_rate_factor(step, n_steps, n_warmup) == theirs(step)
                compared += 1
    assert compared > 5000


@pytest.mark.parametrize(
    ("schedule", "theirs"), [("cosine", get_cosine_schedule_with_warmup), ("constant", get_constant_schedule_with_warmup)]
)
def test_other_schedules_are_those_of_transformers_too(schedule, theirs):
    for n_steps in (1, 3, 10, 101):
        for n_warmup in {0, 1, n_steps // 10, n_steps - 1}:
            optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
            (factor,) = theirs(optimizer, n_warmup, *([] if schedule == "constant" else [n_steps])).lr_lambdas
            for step in range(n_steps):
                assert learning_rate_factor(step, n_steps, n_warmup, schedule) == pytest.approx(factor(step), abs=1e-15)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warm_up_is_exact_and_the_end_is_exactly_zero(schedule):
    factors = [learning_rate_factor(step, 100, 10, schedule) for step in range(101)]
    assert factors[0] == 0.0
    assert factors[10] == 1.0 == max(factors)
    assert factors[5] == 0.5
    assert factors[100] == (1.0 if schedule == "constant" else 0.0)
    assert factors[55] == pytest.approx(1.0 if schedule == "constant" else 0.5)


def test_adamw_gives_the_numbers_of_the_oracle():
    """w0 = 1, gradients 1, -0.5, 0.25, lr 0.1, eps 1e-6, decay 0.01: torch.optim.AdamW in double precision."""
    layer = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.ones_(layer.weight)
    optimizer = build_optimizer(FinetuningPlan(layer), TrainingConfig(learning_rate=0.1, adam_epsilon=1e-6, weight_decay=0.01))
    values = []
    for gradient in (1.0, -0.5, 0.25):
        layer.weight.grad = torch.full_like(layer.weight, gradient)
        optimizer.step()
        values.append(layer.weight.item())
    assert values == pytest.approx([0.8990000999998999, 0.8714674296281413, 0.8365530988639622], rel=1e-12)


def test_adamw_does_not_decay_a_bias():
    layer = nn.Linear(1, 1, dtype=torch.float64)
    nn.init.ones_(layer.weight)
    nn.init.ones_(layer.bias)
    optimizer = build_optimizer(FinetuningPlan(layer), TrainingConfig(learning_rate=0.1, weight_decay=0.5))
    layer.weight.grad, layer.bias.grad = torch.zeros_like(layer.weight), torch.zeros_like(layer.bias)
    optimizer.step()
    assert layer.weight.item() == pytest.approx(1 - 0.1 * 0.5)
    assert layer.bias.item() == 1.0


def test_biases_and_layer_norms_are_not_decayed_and_all_else_is(model):
    decayed = decayed_names(model)
    names = {name for name, _ in model.named_parameters()}
    norms = {
        f"{path}.{name}" for path, m in model.named_modules() if isinstance(m, nn.LayerNorm) for name, _ in m.named_parameters()
    }
    assert len(norms) >= 10
    assert names - decayed == norms | {name for name in names if name.endswith("bias")}
    assert decayed == set(Trainer.get_decay_parameter_names(None, model)), "as transformers' Trainer chooses"


def test_every_learning_parameter_is_in_exactly_one_group(model):
    training = TrainingConfig(weight_decay=0.25, adam_beta1=0.8, adam_beta2=0.9, adam_epsilon=1e-5, learning_rate=0.5)
    decayed, others = build_optimizer(FinetuningPlan(model), training).param_groups
    ids = [id(p) for group in (decayed, others) for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in model.parameters())
    names = decayed_names(model)
    assert {id(p) for p in decayed["params"]} == {id(p) for name, p in model.named_parameters() if name in names}
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.25, 0.0)
    for group in (decayed, others):
        assert (group["betas"], group["eps"], group["lr"]) == ((0.8, 0.9), 1e-5, 0.5)


def test_frozen_parameters_are_in_no_group(model):
    frozen = [p for p in model.base_model.parameters() if p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        chosen = {
            id(p) for group in build_optimizer(FinetuningPlan(model), TrainingConfig()).param_groups for p in group["params"]
        }
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
    assert chosen == {id(p) for p in model.parameters()} - {id(p) for p in frozen}
    assert chosen
