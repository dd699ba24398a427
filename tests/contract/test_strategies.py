"""A strategy changes what it names and nothing more: at its neutral setting a run is bit-equal to plain fine-tuning."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bertft_core.config.strategies import StrategyConfig
from bertft_core.records import RunRecord, RunSpec
from bertft_core.strategies import STRATEGIES
from bertft_core.training.run import train_run
from tests.studies import tiny_spec, tiny_study

NEUTRAL: dict[str, dict[str, Any] | str] = {
    "full": {"kind": "full"},
    "feature_extraction": "it freezes the encoder or is not there; a frozen encoder has no setting that learns",
}
"""Kind → its neutral setting, or why there is none."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tiny_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def plain(prepared, tmp_path_factory) -> RunRecord:
    """The loop with no strategy at all."""
    return train_run(with_strategies(tiny_spec(*prepared)), run_dir=tmp_path_factory.mktemp("plain"))


def with_strategies(spec: RunSpec, *strategies: dict[str, Any]) -> RunSpec:
    return RunSpec.model_validate({**spec.model_dump(), "strategies": strategies})


def test_every_strategy_says_what_its_neutral_setting_is():
    assert NEUTRAL.keys() == STRATEGIES.keys()
    kinds = {config.model_fields["kind"].default for config in get_args(get_args(StrategyConfig)[0])}
    assert kinds == STRATEGIES.keys(), "each strategy has a class in the configuration, and each class a strategy"


@pytest.mark.parametrize("kind", STRATEGIES)
def test_every_strategy_has_a_card(kind):
    card = STRATEGIES[kind].__doc__
    for heading in ("Source:", "Touches:", "Neutral:", "Limits:"):
        assert f"\n{heading} " in card


@pytest.mark.parametrize("kind", [kind for kind, neutral in NEUTRAL.items() if isinstance(neutral, dict)])
def test_a_neutral_strategy_is_bit_equal_to_plain_fine_tuning(prepared, plain, tmp_path, kind):
    record = train_run(with_strategies(tiny_spec(*prepared), NEUTRAL[kind]), run_dir=tmp_path)
    assert record.weights_sha256 == plain.weights_sha256
    assert record.evaluations == plain.evaluations
    assert record.final == plain.final
    assert record.n_trainable_parameters == plain.n_trainable_parameters == plain.n_parameters


@pytest.mark.parametrize("kind", [kind for kind, neutral in NEUTRAL.items() if isinstance(neutral, str)])
def test_a_strategy_without_a_neutral_setting_changes_the_run(prepared, plain, tmp_path, kind):
    record = train_run(with_strategies(tiny_spec(*prepared), {"kind": kind}), run_dir=tmp_path)
    assert record.weights_sha256 != plain.weights_sha256


# Feature extraction


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_feature_extraction_leaves_every_bit_of_the_encoder(kind, tmp_path):
    study, card = tiny_study(tmp_path, kind=kind)
    record = train_run(tiny_spec(study, card, "features"), run_dir=tmp_path / "run")
    trained = load_file(tmp_path / "run" / "model" / "model.safetensors")
    encoder = load_file(Path(card.encoder_dir) / "model.safetensors")
    shared = {name for name in encoder if f"{kind}.{name}" in trained}
    assert len(shared) > 30
    assert all(torch.equal(trained[f"{kind}.{name}"], encoder[name]) for name in shared)
    head = {name: values for name, values in trained.items() if not name.startswith(f"{kind}.")}
    assert record.n_trainable_parameters == sum(values.numel() for values in head.values()) < record.n_parameters
    assert any(float(values.abs().max()) > 0 for name, values in head.items() if name.endswith("bias")), "the head learns"


@pytest.fixture(scope="module")
def frozen(prepared, tmp_path_factory) -> tuple[RunSpec, RunRecord, Path]:
    spec = tiny_spec(*prepared, "features", 2)
    record = train_run(spec, run_dir=tmp_path_factory.mktemp("frozen"))
    return spec, record, Path(spec.prepared_dir) / "features"


def test_stored_features_change_nothing_but_time(frozen, tmp_path):
    spec, first, features_dir = frozen
    stored = sorted(features_dir.rglob("*.npy"))
    assert [path.stem for path in stored] == ["test", "train", "validation"]
    written = [path.stat().st_mtime_ns for path in stored]
    again = train_run(spec, run_dir=tmp_path / "from_store")
    assert [path.stat().st_mtime_ns for path in stored] == written, "the second run only reads them"
    shutil.rmtree(features_dir)
    anew = train_run(spec, run_dir=tmp_path / "computed_again")
    assert first.weights_sha256 == again.weights_sha256 == anew.weights_sha256
    assert first.final == again.final == anew.final


@pytest.mark.parametrize("damage", ["torn", "empty", "of other data"])
def test_torn_features_are_computed_again(frozen, tmp_path, damage):
    spec, first, features_dir = frozen
    (path,) = features_dir.rglob("train.npy")
    whole = path.read_bytes()
    if damage == "of other data":
        np.save(path, np.zeros((3, 1, 16), np.float32))
    else:
        path.write_bytes(whole[:-4] if damage == "torn" else b"")
    assert train_run(spec, run_dir=tmp_path).weights_sha256 == first.weights_sha256
    assert path.read_bytes() == whole


def test_features_of_another_precision_are_stored_apart(frozen, prepared, tmp_path):
    _, first, features_dir = frozen
    before = set(features_dir.iterdir())
    record = train_run(tiny_spec(*prepared, "features", 2, precision="bf16"), run_dir=tmp_path)
    assert len(set(features_dir.iterdir()) - before) == 1
    assert record.weights_sha256 != first.weights_sha256
