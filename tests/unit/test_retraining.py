"""What must be there before a recorded run is trained again, and what it must not take over from earlier runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bertft_core.records import RunSpec
from bertft_core.records.compute import Compute
from bertft_core.training.frozen_features import feature_dir
from bertft_core.training.retraining import environment_here, missing_input
from tests.helpers.tiny_studies import tiny_spec, tiny_study


@pytest.fixture
def spec(tmp_path) -> RunSpec:
    return tiny_spec(*tiny_study(tmp_path), "features")


def flip_one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def other_activation(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hidden_act": "relu"}))


def test_nothing_is_missing_of_a_run_just_prepared(spec):
    assert missing_input(spec) is None


@pytest.mark.parametrize(
    ("file", "damage", "words"),
    [
        ("data/train.arrow", Path.unlink, "the prepared data are missing"),
        ("data/test.arrow", flip_one_bit, "the prepared data are damaged"),
        ("data/validation.arrow", cut, "the prepared data are damaged"),
        ("encoder/model.safetensors", grow, "the encoder weights have changed"),
        ("encoder/model.safetensors", Path.unlink, "the encoder weights are missing"),
        ("encoder/config.json", other_activation, "the encoder's settings have changed"),
        ("encoder/config.json", Path.unlink, "the encoder's settings cannot be read"),
        ("encoder/config.json", cut, "the encoder's settings cannot be read"),
    ],
)
def test_an_input_that_is_gone_or_changed_is_named(spec, file: str, damage: Callable[[Path], None], words: str):
    folder, _, name = file.partition("/")
    path = Path(spec.prepared_dir if folder == "data" else spec.encoder_dir) / name
    damage(path)
    shown = missing_input(spec)
    assert shown is not None
    assert words in shown
    assert str(path if folder == "data" else path.parent) in shown


def test_the_environment_here_leaves_out_what_only_the_process_of_the_run_will_have(spec):
    here = environment_here(spec)
    assert here.threads == spec.threads
    assert here.cpu_capability
    assert (here.flags, here.variables) == ({}, {})


def test_a_record_of_an_older_version_does_not_know_the_settings(spec):
    other_activation(Path(spec.encoder_dir) / "config.json")
    older = spec.encoder.model_copy(update={"settings_sha256": None})
    assert missing_input(spec.model_copy(update={"encoder": older})) is None


def test_states_of_a_frozen_encoder_are_of_its_settings_and_kernels_too(spec):
    other = spec.encoder.model_copy(update={"settings_sha256": "b" * 64})
    cpu = torch.device("cpu")
    assert feature_dir(spec, cpu) == feature_dir(spec.model_copy(), cpu)
    assert feature_dir(spec, cpu) != feature_dir(spec.model_copy(update={"encoder": other}), cpu)
    assert feature_dir(spec, cpu) != feature_dir(spec.model_copy(update={"compute": Compute(kernels="onednn")}), cpu)


@pytest.mark.parametrize(
    ("change", "is_other"),
    [
        (lambda patch: patch.setenv("ATEN_CPU_CAPABILITY", "default"), True),
        (lambda patch: patch.setenv("DNNL_MAX_CPU_ISA", "AVX2"), True),
        (lambda patch: patch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "SSE"), True),
        (lambda patch: patch.setattr("bertft_core.training.frozen_features.transformers.__version__", "0.0"), True),
        (lambda patch: patch.setattr("bertft_core.training.frozen_features.FORMAT", 1), True),
        (lambda patch: patch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2"), True),
        (lambda patch: patch.setenv("CUDA_VISIBLE_DEVICES", "7"), False),  # each slot has its own
    ],
)
def test_states_of_a_frozen_encoder_are_of_what_can_change_their_bits(spec, monkeypatch, change, is_other):
    before = feature_dir(spec, torch.device("cpu"))
    change(monkeypatch)
    assert (feature_dir(spec, torch.device("cpu")) != before) is is_other
