"""A strategy changes what it names and nothing more: at its neutral setting a run is bit-equal to plain fine-tuning."""

from __future__ import annotations

import itertools
import random
import shutil
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from bertft_core.config.strategy_settings import KINDS, AnyStrategy
from bertft_core.records import RunRecord, RunSpec
from bertft_core.strategies import STRATEGIES
from bertft_core.training.frozen_features import _computed
from bertft_core.training.run import train_run
from tests.helpers.every_strategy import ACTIVE, LEARNING, NEUTRAL, SETTINGS, lopsided_study, started, with_strategies
from tests.helpers.interrupted_runs import every_step_saved, interrupted, result_in
from tests.helpers.tiny_studies import tiny_spec, tiny_study, with_training

COMPOSED = [
    {"kind": "reinit", "layers": 1},
    {"kind": "llrd", "decay": 0.5},
    {"kind": "gradual_unfreezing", "every_steps": 2},
    {"kind": "mixout", "p": 0.3},
    {"kind": "prior_decay", "rate": 0.1},
    {"kind": "legacy_adam"},
    {"kind": "class_weights"},
    {"kind": "oversampling"},
    {"kind": "stratified_batches"},
    {"kind": "focal_loss"},
    {"kind": "label_smoothing"},
    {"kind": "swa", "last": 3},
]
"""As many at once as make sense together."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return lopsided_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def spec(prepared) -> RunSpec:
    return tiny_spec(*prepared)


@pytest.fixture(scope="module")
def plain(spec, tmp_path_factory) -> RunRecord:
    """The loop with no strategy at all."""
    return train_run(with_strategies(spec), run_dir=tmp_path_factory.mktemp("plain"))


def kinds_of(table, kind_of_entry) -> list[str]:
    return [kind for kind, entry in table.items() if isinstance(entry, kind_of_entry)]


def test_every_strategy_is_in_every_table():
    assert NEUTRAL.keys() == ACTIVE.keys() == STRATEGIES.keys()
    assert tuple(STRATEGIES) == KINDS == tuple(c.model_fields["kind"].default for c in get_args(AnyStrategy))
    assert all(len(entry) > 20 for table in (NEUTRAL, ACTIVE) for entry in table.values() if isinstance(entry, str))
    assert kinds_of(NEUTRAL, str) == ["feature_extraction", "bitfit", "legacy_adam", "stratified_batches"]
    assert kinds_of(ACTIVE, str) == ["full"]


@pytest.mark.parametrize("kind", STRATEGIES)
def test_every_strategy_has_a_card(kind):
    card = STRATEGIES[kind].__doc__
    for heading in ("Source:", "Touches:", "Neutral:", "Order:", "Limits:"):
        assert f"\n{heading} " in card


@pytest.mark.parametrize("kind", kinds_of(NEUTRAL, dict))
def test_a_neutral_strategy_is_bit_equal_to_plain_fine_tuning(spec, plain, tmp_path, kind):
    record = train_run(with_strategies(spec, NEUTRAL[kind]), run_dir=tmp_path)
    assert record.weights_sha256 == plain.weights_sha256
    assert record.evaluations == plain.evaluations
    assert (record.final, record.best, record.best_step) == (plain.final, plain.best, plain.best_step)
    assert record.initial_head_sha256 == plain.initial_head_sha256
    assert record.n_trainable_parameters == plain.n_trainable_parameters == plain.n_parameters


@pytest.mark.parametrize("kind", kinds_of(ACTIVE, dict))
def test_an_active_strategy_changes_the_run_but_not_the_head_it_starts_from(spec, plain, tmp_path, kind):
    record = train_run(with_strategies(spec, ACTIVE[kind]), run_dir=tmp_path)
    assert record.weights_sha256 != plain.weights_sha256
    assert record.initial_head_sha256 == plain.initial_head_sha256


@pytest.mark.parametrize("kind", STRATEGIES)
def test_the_parameters_a_strategy_declares_change_and_all_others_keep_their_bits(spec, tmp_path, kind):
    run = started(with_strategies(spec, SETTINGS[kind]), tmp_path)
    depths, n_layers = run.plan.architecture.depths(), run.plan.architecture.n_layers
    before = {name: values.detach().clone() for name, values in run.plan.model.named_parameters()}
    run.train()
    learns = LEARNING.get(kind, lambda name, depth, n_layers: True)
    n_changed = 0
    for name, values in run.plan.model.named_parameters():
        changed = not torch.equal(values, before[name])
        assert changed == learns(name, depths[name], n_layers), name
        n_changed += changed
    assert n_changed >= 2


@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_run_is_resumed_in_the_middle_of_every_strategy_with_the_same_bits(spec, tmp_path, kind):
    whole = with_strategies(spec, SETTINGS[kind] | ({"patience": 2} if kind == "early_stopping" else {}))
    train_run(whole, run_dir=tmp_path / "unbroken")
    interrupted(whole, tmp_path / "broken", "step", 4)
    train_run(every_step_saved(whole), run_dir=tmp_path / "broken")
    assert without_places(tmp_path / "broken") == without_places(tmp_path / "unbroken")


def without_places(run_dir: Path):
    result = result_in(run_dir)
    result["record"]["spec"].pop("checkpoint_every_seconds")
    return result


@pytest.mark.parametrize(("kind", "step"), [("step", 3), ("step", 6), ("evaluation", 8), ("predicting", None)])
def test_many_strategies_at_once_are_resumed_with_the_same_bits(spec, tmp_path, kind, step):
    whole = with_strategies(spec, *COMPOSED)
    train_run(whole, run_dir=tmp_path / "unbroken")
    interrupted(whole, tmp_path / "broken", kind, step)
    train_run(every_step_saved(whole), run_dir=tmp_path / "broken")
    assert without_places(tmp_path / "broken") == without_places(tmp_path / "unbroken")


def test_the_order_of_the_list_changes_nothing_not_even_the_digest(spec):
    for seed in range(20):
        shuffled = random.Random(seed).sample(COMPOSED, len(COMPOSED))
        assert with_strategies(spec, *shuffled).digest == with_strategies(spec, *COMPOSED).digest
    kinds = [strategy.kind for strategy in with_strategies(spec, *reversed(COMPOSED)).strategies]
    assert kinds == sorted(kinds, key=KINDS.index)


@pytest.mark.slow
def test_each_of_many_strategies_makes_a_difference_beside_the_others(spec, tmp_path):
    lists = [COMPOSED, *(COMPOSED[:i] + COMPOSED[i + 1 :] for i in range(len(COMPOSED)))]
    hashes = [
        train_run(with_strategies(spec, *chosen), run_dir=tmp_path / str(i)).weights_sha256 for i, chosen in enumerate(lists)
    ]
    assert not [(one, other) for one, other in itertools.combinations(range(len(hashes)), 2) if hashes[one] == hashes[other]]


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
def frozen(tmp_path_factory) -> tuple[RunSpec, RunRecord, Path]:
    spec = tiny_spec(*tiny_study(tmp_path_factory.mktemp("features")), "features", 2)
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


def test_features_that_another_process_is_computing_are_waited_for_and_the_others_computed_meanwhile(
    frozen, tmp_path, monkeypatch
):
    spec, first, features_dir = frozen
    (train,) = features_dir.rglob("train.npy")
    for path in train.parent.glob("*.npy"):
        path.rename(tmp_path / path.name)
    other = FileLock(train.parent / ".train.lock")
    other.acquire()
    computed = []

    def compute(runner: Any, split: Any, path: Path) -> Any:
        computed.append(path.name)
        if len(computed) == 2:  # the other process ends
            shutil.copy(tmp_path / "train.npy", train)
            other.release()
        return _computed(runner, split, path)

    monkeypatch.setattr("bertft_core.training.frozen_features._computed", compute)
    assert train_run(spec, run_dir=tmp_path / "run").weights_sha256 == first.weights_sha256
    assert computed == ["validation.npy", "test.npy"]


def test_features_of_another_precision_are_stored_apart(frozen, tmp_path):
    spec, first, features_dir = frozen
    before = set(features_dir.iterdir())
    record = train_run(with_training(spec, precision="bf16"), run_dir=tmp_path)
    assert len(set(features_dir.iterdir()) - before) == 1
    assert record.weights_sha256 != first.weights_sha256
