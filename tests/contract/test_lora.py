"""LoRA: the formula, the streams, the saved model with its adapter, and parity with peft, whose numbers are stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from bertft_core.config import UserError
from bertft_core.data.prepared_split import open_split
from bertft_core.heads.saved_model import load_model
from bertft_core.records import RunSpec
from bertft_core.storage.predictions import read_predictions
from bertft_core.strategies.lora import merged_weight
from bertft_core.training.model_runner import ModelRunner
from bertft_core.training.run import train_run
from tests.helpers.every_strategy import HEADS, lopsided_study, started, with_strategies
from tests.helpers.interrupted_runs import step_events
from tests.helpers.peft_oracle import CASES, ORACLE, spec_of
from tests.helpers.tiny_encoders import KINDS as FAMILIES
from tests.helpers.tiny_studies import tiny_spec
from tests.helpers.trainer_parity import column

LORA = {"kind": "lora", "rank": 2, "alpha": 4.0}
EXPECTED = json.loads(ORACLE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> RunSpec:
    return tiny_spec(*lopsided_study(tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="module")
def trained(spec, tmp_path_factory) -> Path:
    run_dir = tmp_path_factory.mktemp("trained")
    train_run(with_strategies(spec, LORA), run_dir=run_dir)
    return run_dir


def parameters(spec: RunSpec, run_dir: Path, *strategies) -> dict[str, torch.Tensor]:
    return dict(started(with_strategies(spec, *strategies), run_dir).plan.model.named_parameters())


@pytest.mark.parametrize(("family", "targets"), [CASES[0], *(pytest.param(*case, marks=pytest.mark.slow) for case in CASES[1:])])
def test_losses_and_gradients_are_those_of_peft(tmp_path, family, targets):
    spec = spec_of(tmp_path, family, targets)
    train_run(spec, run_dir=tmp_path / "run")
    steps, expected = step_events(tmp_path / "run"), EXPECTED[f"{family}/{targets}"]
    np.testing.assert_allclose(column(steps, "loss"), expected["loss"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(column(steps, "grad_norm"), expected["grad_norm"], rtol=1e-3)
    assert np.ptp(expected["loss"]) > 0.05, "the losses move, so equality says something"
    saved = load_file(tmp_path / "run" / "model" / "adapter" / "adapter_model.safetensors")
    assert {name: list(values.shape) for name, values in saved.items()} == expected["weights"]


def test_at_step_0_the_model_is_the_base_model_bit_for_bit(spec, tmp_path):
    def logits(name: str, *strategies) -> torch.Tensor:
        run = started(with_strategies(spec, *strategies), tmp_path / name)
        run.plan.model.eval()
        with torch.no_grad():
            return run.runner.logits(run.splits["train"], np.arange(8))

    assert torch.equal(logits("base"), logits("adapted", LORA | {"targets": "all_linear"}))


def test_a_is_drawn_from_the_init_stream_alone_each_layers_from_its_own(spec, tmp_path):
    name = "bert.encoder.layer.1.attention.self.value.lora_A"
    torch.manual_seed(1)
    first = parameters(spec, tmp_path / "a", LORA)
    torch.manual_seed(2)
    again = parameters(spec, tmp_path / "b", LORA | {"targets": "all_linear"})
    assert torch.equal(first[name], again[name])
    other = spec.model_copy(update={"seeds": spec.seeds.model_copy(update={"init": spec.seeds.init + 1})})
    assert not torch.equal(first[name], parameters(other, tmp_path / "c", LORA)[name])
    wide = parameters(spec, tmp_path / "d", LORA | {"rank": 16, "targets": "all_linear"})
    drawn = torch.cat([values.detach().flatten() for each, values in wide.items() if each.endswith("lora_A")])
    assert float(drawn.std()) == pytest.approx(1 / 16, rel=0.05)
    assert all(not values.any() for each, values in wide.items() if each.endswith("lora_B"))


@pytest.mark.parametrize(("targets", "n_layers"), [("query_value", 4), ("attention", 8), ("all_linear", 12)])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_layers_of_every_family_have_adapters(tmp_path, family, targets, n_layers):
    study = lopsided_study(tmp_path, kind=family)
    run = started(with_strategies(tiny_spec(*study), LORA | {"targets": targets}), tmp_path / "run")
    learns = [name for name in run.plan.learning if name.startswith(run.plan.model.base_model_prefix + ".")]
    assert len(learns) == 2 * n_layers
    assert all(name.endswith((".lora_A", ".lora_B")) for name in learns)


def test_frozen_layers_keep_their_adapters_at_zero(spec, tmp_path):
    run = started(with_strategies(spec, LORA, {"kind": "freezing", "layers": 1}), tmp_path)
    run.train()
    found = {name: bool(values.any()) for name, values in run.plan.model.named_parameters() if name.endswith("lora_B")}
    assert found == {name: ".layer.1." in name for name in found}
    assert len(found) == 4


EXACT = [head for head in HEADS if head != "regression"]
"""Heads whose saved model is exactly the trained one: in regression the scale of the targets is multiplied in."""
FAST = ("classification", "masked_lm")


@pytest.mark.parametrize("head", [pytest.param(head, marks=() if head in FAST else pytest.mark.slow) for head in EXACT])
def test_the_kept_model_has_the_recorded_predictions_bit_for_bit(tmp_path, head):
    spec = with_strategies(tiny_spec(*HEADS[head](tmp_path)), LORA)
    record = train_run(spec, run_dir=tmp_path / "run")
    model, config = load_model(tmp_path / "run" / "model")
    split = open_split(spec.prepared_dir, "test")
    predicted = ModelRunner(model, config, torch.device("cpu")).predict(split)
    assert predicted.equals(read_predictions(tmp_path / "run" / record.predictions["best"]["test"]))
    assert record.n_trainable_parameters < record.n_parameters
    assert {"model/adapter/adapter_config.json", "model/adapter/adapter_model.safetensors"} <= record.files.keys()
    adapter = tmp_path / "run" / "model" / "adapter"
    (module,) = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["modules_to_save"]
    whole = {f"base_model.model.{name}" for name in model.state_dict() if name.startswith(f"{module}.")}
    assert whole
    assert whole <= load_file(adapter / "adapter_model.safetensors").keys(), "peft replaces modules whole"


def test_plain_transformers_opens_the_merged_model(spec, trained):
    model = AutoModelForSequenceClassification.from_pretrained(trained / "model").eval()
    assert not any("lora" in name for name in model.state_dict())
    adapter = load_file(trained / "model" / "adapter" / "adapter_model.safetensors")
    base = load_file(Path(spec.encoder_dir) / "model.safetensors")
    place = "encoder.layer.1.attention.self.value"
    a, b = (adapter[f"base_model.model.bert.{place}.{part}.weight"] for part in ("lora_A", "lora_B"))
    assert torch.equal(model.get_parameter(f"bert.{place}.weight"), base[f"{place}.weight"] + 2.0 * (b @ a))
    assert b.any()


def test_merging_is_exact_under_autocast(spec, tmp_path):
    run = started(with_strategies(spec, LORA), tmp_path)
    layer = run.plan.model.bert.encoder.layer[0].attention.self.query
    torch.nn.init.normal_(layer.lora_B)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = merged_weight(layer)
    assert torch.equal(inside, layer.weight + 2.0 * (layer.lora_B @ layer.lora_A))


def test_dropout_of_the_adapters_is_of_the_dropout_stream(spec, tmp_path):
    strategy = LORA | {"dropout": 0.5}
    first = train_run(with_strategies(spec, strategy), run_dir=tmp_path / "a")
    assert train_run(with_strategies(spec, strategy), run_dir=tmp_path / "b").weights_sha256 == first.weights_sha256
    assert train_run(with_strategies(spec, LORA), run_dir=tmp_path / "c").weights_sha256 != first.weights_sha256


def test_a_rank_above_the_width_of_the_encoder_is_refused(tmp_path):
    with pytest.raises(UserError, match="rank") as shown:
        lopsided_study(tmp_path, arms={"odd": {"strategies": [LORA | {"rank": 17}]}})
    assert shown.value.expected == "at most 16"
