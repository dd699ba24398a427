"""Legacy Adam, prior decay and weight averaging against the numbers of the literature and by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bertft_core.config.strategy_settings import LegacyAdam, PriorDecay
from bertft_core.config.training_settings import TrainingConfig
from bertft_core.strategies import legacy_adam, prior_decay
from bertft_core.strategies.plan import FinetuningPlan, TrainContext
from bertft_core.training.evaluations import WeightAverage
from bertft_core.training.optimizer import build_optimizer
from tests.helpers.every_strategy import lopsided_study, started, with_strategies
from tests.helpers.tiny_studies import tiny_spec

GRADIENTS = (1.0, -0.5, 0.25)


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return tiny_spec(*lopsided_study(tmp_path_factory.mktemp("study")))


@pytest.mark.parametrize(
    ("bias_correction", "expected"),
    [
        (False, [0.6827822336669445, 0.5689202869098529, 0.399835581814415]),  # BertAdam of the TensorFlow code
        (True, [0.8991031590154857, 0.8715977384358918, 0.8367182083047556]),  # with correction, decay behind the update
    ],
)
def test_legacy_adam_gives_the_numbers_of_the_oracles(bias_correction, expected):
    layer = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.ones_(layer.weight)
    plan = FinetuningPlan(layer)
    legacy_adam.apply(plan, LegacyAdam(bias_correction=bias_correction))
    optimizer = build_optimizer(plan, TrainingConfig(learning_rate=0.1, adam_epsilon=1e-6, weight_decay=0.01))
    values = []
    for gradient in GRADIENTS:
        layer.weight.grad = torch.full_like(layer.weight, gradient)
        optimizer.step()
        values.append(layer.weight.item())
    assert values == pytest.approx(expected, rel=1e-12)


def test_the_first_steps_of_legacy_adam_are_larger_by_the_factor_of_mosbach():
    """α_t / α of the corrected method is √(1−β2^t)/(1−β1^t): 0.316 at the first step, 0.235 at the second."""
    steps = {}
    for corrected in (False, True):
        parameter = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        group = {"params": [parameter], "lr": 1.0, "betas": (0.9, 0.999), "eps": 0.0, "weight_decay": 0.0}
        optimizer = legacy_adam.BertAdam([group], bias_correction=corrected)
        steps[corrected] = []
        for _ in range(50):
            before = parameter.item()
            parameter.grad = torch.ones_like(parameter)
            optimizer.step()
            steps[corrected].append(parameter.item() - before)
    ratios = [one / other for one, other in zip(steps[True], steps[False], strict=True)]
    assert [ratios[t - 1] for t in (1, 2, 5, 10, 50)] == pytest.approx(
        [0.3162278, 0.2353167, 0.1724988, 0.1531891, 0.2220388], rel=1e-6
    )


def test_frozen_parameters_are_left_alone_by_legacy_adam():
    parameter = nn.Parameter(torch.ones(1))
    group = {"params": [parameter], "lr": 1.0, "betas": (0.9, 0.999), "eps": 0.0, "weight_decay": 0.5}
    legacy_adam.BertAdam([group], bias_correction=False).step()
    assert parameter.item() == 1.0


class Tiny(nn.Module):
    """An encoder and a head of one weight each, as FinetuningPlan wants to see them."""

    base_model_prefix = "bert"

    def __init__(self) -> None:
        super().__init__()
        self.bert, self.head = nn.Linear(1, 1), nn.Linear(1, 1)


def test_prior_decay_goes_back_by_the_share_of_the_oracle():
    """w = 1, start 0.8, rate of learning 0.1, decay 0.01 → 0.9998; biases, the head and what has no gradient stay."""
    model = Tiny().double()
    for parameter in model.parameters():
        parameter.data.fill_(0.8)
    plan = FinetuningPlan(model, TrainContext(weight_decayed=frozenset({"bert.weight", "head.weight"})))
    prior_decay.apply(plan, PriorDecay(rate=0.01))
    for parameter in model.parameters():
        parameter.data.fill_(1.0)
    (decay,) = plan.before_update
    decay(lambda name: 0.1)
    assert all(parameter.item() == 1.0 for parameter in model.parameters()), "nothing has a gradient: nothing is being learned"
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    decay(lambda name: 0.1)
    assert {name: parameter.item() for name, parameter in model.named_parameters()} == pytest.approx(
        {"bert.weight": 0.9998, "bert.bias": 1.0, "head.weight": 1.0, "head.bias": 1.0}, abs=1e-15
    )


def test_prior_decay_uses_the_rate_of_each_layer(spec, tmp_path):
    strategies = ({"kind": "prior_decay", "rate": 0.5}, {"kind": "llrd", "decay": 0.5})
    run = started(with_strategies(spec, *strategies), tmp_path)
    rates: dict[str, float] = {}
    run.plan.before_update[:] = [lambda of: rates.update({name: of(name) for name in run.plan.learning})]
    run.train()
    depths = run.plan.architecture.depths()
    last = spec.training.learning_rate / 7
    assert all(rate == pytest.approx(last * {0: 0.25, 1: 0.5, 2: 1.0, 3: 1.0}[depths[name]]) for name, rate in rates.items())


def test_the_average_is_the_mean_of_the_last_evaluations():
    average = WeightAverage([2, 4, 6, 8], 3)
    weights = {step: torch.tensor([float(step), -(float(step) ** 2)]) for step in (1, 2, 4, 6, 8)}
    for step, values in weights.items():
        average.add(step, {"w": values})
        assert average.is_complete(step) == (step == 8)
    assert torch.allclose(average.mean["w"], torch.tensor([6.0, -(16 + 36 + 64) / 3]))
    assert weights[8].tolist() == [8.0, -64.0], "what was given is not changed"


def test_a_run_ends_with_the_mean_of_its_last_weights_and_is_validated_with_them(spec, tmp_path):
    run = started(with_strategies(spec, {"kind": "swa", "last": 3}), tmp_path)
    seen = {}
    add = run.loop._average.add

    def listen(step, parameters):
        seen[step] = parameters["classifier.weight"].detach().clone()
        add(step, parameters)

    run.loop._average.add = listen
    run.train()
    assert list(seen) == [2, 4, 6, 8]
    mean = torch.stack([seen[step] for step in (4, 6, 8)]).mean(0)
    assert torch.allclose(run.plan.model.classifier.weight, mean, atol=1e-6)
    assert not torch.allclose(seen[8], mean, atol=1e-6)
    assert run.loop.validation.predictions_of(8).equals(run.runner.predict(run.splits["validation"]))


def test_more_evaluations_than_there_are_average_all_of_them(spec, tmp_path):
    few, many = (started(with_strategies(spec, {"kind": "swa", "last": n}), tmp_path / str(n)) for n in (4, 400))
    few.train(), many.train()
    assert torch.equal(few.plan.model.classifier.weight, many.plan.model.classifier.weight)
