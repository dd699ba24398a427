"""Freezing, re-initialisation, layer-wise rates and gradual unfreezing: which layer does what, and when."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from bertft_core.config import UserError
from bertft_core.strategies.architecture import Architecture
from bertft_core.training.optimizer import parameter_groups
from tests.helpers.every_strategy import lopsided_study, started, with_strategies
from tests.helpers.tiny_encoders import tiny_encoder
from tests.helpers.tiny_studies import tiny_spec


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return tiny_spec(*lopsided_study(tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """A spec whose encoder has the twelve layers of BERT-base."""
    directory = tmp_path_factory.mktemp("deep")
    encoder_dir = tiny_encoder(directory / "twelve", seed=1, num_hidden_layers=12)
    return tiny_spec(*lopsided_study(directory, encoder={"path": str(encoder_dir)}))


# Layer-wise decay


def test_twelve_layers_have_the_rates_of_the_formula(deep, tmp_path):
    plan = started(with_strategies(deep, {"kind": "llrd", "decay": 0.9}), tmp_path).plan
    scale = {depth: plan.lr_multipliers[name] for name, depth in plan.architecture.depths().items()}
    assert scale[12] == 1.0
    assert scale[1] == pytest.approx(0.314, abs=5e-4)
    assert scale[0] == pytest.approx(0.282, abs=5e-4)
    assert scale[13] == 1.0, "head and pooler"
    assert [scale[layer + 1] for layer in range(12)] == pytest.approx([0.9 ** (11 - layer) for layer in range(12)])
    groups = parameter_groups(plan, deep.training)
    assert {group["scale"] for group in groups} == set(scale.values())
    assert all(group["lr"] == deep.training.learning_rate * group["scale"] for group in groups)
    assert sum(len(group["params"]) for group in groups) == len(list(plan.model.parameters()))


def test_the_scheduled_rate_is_scaled_in_every_step(spec, tmp_path):
    run = started(with_strategies(spec, {"kind": "llrd", "decay": 0.5}), tmp_path)
    run.train()
    last = spec.training.learning_rate * 1 / 7  # the seventh of seven steps behind a warm-up of one
    assert {round(group["lr"] / last, 9) for group in run.loop.optimizer.param_groups} == {1.0, 0.5, 0.25}


# Freezing


def test_half_of_twelve_layers_leaves_roughly_half_of_the_parameters(deep, tmp_path):
    run = started(with_strategies(deep, {"kind": "freezing", "layers": 6, "embeddings": False}), tmp_path)
    n = sum(parameter.numel() for parameter in run.plan.model.parameters())
    assert 0.45 < sum(parameter.numel() for parameter in run.plan.learning.values()) / n < 0.65
    all_layers = started(with_strategies(deep, {"kind": "freezing", "layers": 12}), tmp_path / "all")
    assert sum(parameter.numel() for parameter in all_layers.plan.learning.values()) == 16 * 16 + 16 + 2 * 16 + 2, (
        "pooler and head"
    )


def test_a_frozen_layer_has_no_backward_pass(spec, tmp_path):
    run = started(with_strategies(spec, {"kind": "freezing", "layers": 1}), tmp_path)
    calls = count_backward_passes(run.plan.architecture.layers)
    run.train()
    assert calls == {0: [], 1: list(range(1, 9))}


def count_backward_passes(layers) -> dict[int, list[int]]:
    """Layer → steps with a gradient of its output, as they come while the run goes on."""
    found: dict[int, list[int]] = {i: [] for i in range(len(layers))}
    steps = {"n": 0}

    def watch(i: int, outputs) -> None:
        outputs = outputs[0] if isinstance(outputs, tuple) else outputs
        if i == 0 and torch.is_grad_enabled():
            steps["n"] += 1
        if outputs.requires_grad:
            step = steps["n"]
            outputs.register_hook(lambda gradient: found[i].append(step))

    for i, layer in enumerate(layers):
        layer.output.register_forward_hook(lambda module, inputs, outputs, i=i: watch(i, outputs))
    return found


@pytest.mark.parametrize(
    ("strategies", "problem"),
    [
        ([{"kind": "freezing", "layers": 3}], "freezing names more layers"),
        ([{"kind": "reinit", "layers": 3}], "reinit names more layers"),
        ([{"kind": "freezing", "layers": 1}, {"kind": "reinit", "layers": 2}], "would be frozen"),
    ],
)
@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_layers_that_are_not_there_or_frozen_are_refused_before_any_training(tmp_path, strategies, problem, family):
    with pytest.raises(UserError, match=problem) as shown:
        lopsided_study(tmp_path, kind=family, arms={"odd": {"strategies": strategies}})
    assert shown.value.problem.startswith("arms.odd.strategies: ")
    assert shown.value.found
    assert shown.value.expected


# Re-initialisation


def test_top_layers_and_pooler_are_drawn_anew_and_nothing_else(spec, tmp_path):
    plain = dict(started(spec, tmp_path / "plain").plan.model.named_parameters())
    run = started(with_strategies(spec, {"kind": "reinit", "layers": 1}), tmp_path / "anew")
    for name, values in run.plan.model.named_parameters():
        new = name.startswith(("bert.encoder.layer.1.", "bert.pooler."))
        is_norm_or_bias = "LayerNorm" in name or name.endswith("bias")
        assert torch.equal(values, plain[name]) == (not new or is_norm_or_bias), name
        if new and is_norm_or_bias:
            assert torch.equal(values, torch.full_like(values, float("LayerNorm.weight" in name)))
    weights = run.plan.model.bert.encoder.layer[1].intermediate.dense.weight
    assert float(weights.detach().std()) == pytest.approx(run.plan.model.config.initializer_range, rel=0.15)


def test_layers_are_drawn_from_the_init_stream_alone_each_from_its_own(spec, tmp_path):
    def weight(layers: int, index: int, name: str) -> torch.Tensor:
        seeds = spec.seeds.model_copy(update={"init": index})
        run = started(
            with_strategies(spec.model_copy(update={"seeds": seeds}), {"kind": "reinit", "layers": layers}), tmp_path / name
        )
        return run.plan.model.bert.encoder.layer[1].output.dense.weight.detach()

    torch.manual_seed(1)
    first = weight(1, 5, "a")
    torch.manual_seed(2)
    assert torch.equal(first, weight(1, 5, "b"))
    assert torch.equal(first, weight(2, 5, "c")), "more layers leave the others as they were"
    assert not torch.equal(first, weight(1, 6, "d"))


# Gradual unfreezing


def learning_at(run, step: int) -> set[int]:
    run.plan.train_mode(step)
    depths = run.plan.architecture.depths()
    return {depths[name] for name, parameter in run.plan.model.named_parameters() if parameter.requires_grad}


def test_layers_unfreeze_one_by_one_from_the_top(spec, tmp_path):
    run = started(with_strategies(spec, {"kind": "gradual_unfreezing", "every_steps": 3}), tmp_path)
    assert [learning_at(run, step) for step in (0, 2, 3, 5, 6, 8, 9, 100)] == [
        {3}, {3}, {2, 3}, {2, 3}, {1, 2, 3}, {1, 2, 3}, {0, 1, 2, 3}, {0, 1, 2, 3},
    ]  # fmt: skip


def test_several_layers_unfreeze_at_once_and_epochs_are_steps(spec, tmp_path):
    run = started(with_strategies(spec, {"kind": "gradual_unfreezing", "every_epochs": 0.5, "layers": 2}), tmp_path)
    assert [learning_at(run, step) for step in (0, 1, 2, 3, 4)] == [{3}, {3}, {1, 2, 3}, {1, 2, 3}, {0, 1, 2, 3}]


def test_what_is_frozen_for_good_never_unfreezes(spec, tmp_path):
    strategies = ({"kind": "gradual_unfreezing", "every_steps": 1}, {"kind": "freezing", "layers": 1})
    assert learning_at(started(with_strategies(spec, *strategies), tmp_path), 100) == {2, 3}


def test_no_layer_has_a_backward_pass_before_it_is_unfrozen(spec, tmp_path):
    run = started(with_strategies(spec, {"kind": "gradual_unfreezing", "every_steps": 3}), tmp_path)
    calls = count_backward_passes(run.plan.architecture.layers)
    run.train()
    assert calls == {0: [7, 8], 1: [4, 5, 6, 7, 8]}


def test_dropout_goes_on_in_layers_that_do_not_learn(spec, tmp_path):
    plan = started(with_strategies(spec, {"kind": "gradual_unfreezing"}), tmp_path).plan
    plan.train_mode(0)
    assert all(module.training for module in plan.model.modules() if isinstance(module, nn.Dropout))


@pytest.mark.parametrize("known", [True, False])
def test_gradients_are_watched_in_the_first_steps_where_the_layers_are_known(spec, tmp_path, known, monkeypatch):
    run = started(spec.model_copy(update={"watch_gradients": 3}), tmp_path)
    monkeypatch.setattr(Architecture, "is_known", known)
    run.train()
    run.curves.flush()
    events = map(json.loads, (tmp_path / "curves.jsonl").read_text().splitlines())
    steps = [event for event in events if event["kind"] == "step"]
    assert [i for i, event in enumerate(steps) if "layers" in event] == ([0, 1, 2] if known else [])
    for event in steps[:3] if known else ():
        assert list(event["layers"]) == ["embeddings", "layer 0", "layer 1", "head"]
        assert sum(norm**2 for norm in event["layers"].values()) ** 0.5 == pytest.approx(event["grad_norm"], rel=1e-5)
