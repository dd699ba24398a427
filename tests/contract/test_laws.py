"""The laws of DESIGN §5: what a run computes depends on its spec and on nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bertft_core.records import RunRecord, RunSpec
from bertft_core.storage.predictions import CONFIDENCES_FILE
from bertft_core.training.checkpoint import POSITION, TENSORS
from bertft_core.training.kernels import is_exact_here, kernels_set
from bertft_core.training.run import train_run
from bertft_core.training.slots import Slots
from bertft_core.training.step_plan import StepPlan
from bertft_core.training.workers import WorkerDied
from tests.helpers.interrupted_runs import RESUMABLE, every_step_saved, interrupted, result_in, steps_in, wait_for_state
from tests.helpers.tiny_studies import tiny_spec, tiny_study

STEPS = 20


@pytest.fixture(scope="module", params=["original", "fast"])
def prepared(request, tmp_path_factory):
    return tiny_study(tmp_path_factory.mktemp("study"), execution={"device": "cpu", "slots": 1, "compute": request.param})


@pytest.fixture(scope="module")
def spec(prepared) -> RunSpec:
    return tiny_spec(*prepared)


@pytest.fixture(scope="module")
def plain(spec, tmp_path_factory) -> dict[str, Any]:
    run_dir = tmp_path_factory.mktemp("plain")
    train_run(spec, run_dir=run_dir)
    return result_in(run_dir)


@pytest.fixture(scope="module")
def slots(tmp_path_factory):
    with Slots([{"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"}], tmp_path_factory.mktemp("logs")) as slots:
        yield slots


def run_in_worker(slots: Slots, spec: RunSpec, run_dir: Path) -> None:
    with slots.lease() as worker:
        worker.run(spec, run_dir, lambda event: None)


def stopping(spec: RunSpec) -> RunSpec:
    """With the patience that has to be remembered too."""
    strategies = [{"kind": "early_stopping", "patience": 5}, *spec.model_dump()["strategies"]]
    return RunSpec.model_validate({**spec.model_dump(), "strategies": strategies})


# Same spec, same bits


def test_a_run_gives_the_same_bits_in_fresh_and_reused_workers_and_beside_another_run(prepared, spec, plain, slots, tmp_path):
    other = tiny_spec(*prepared, "features", 1)
    with slots.lease() as worker:
        worker.run(spec, tmp_path / "fresh", lambda event: None)
        worker.run(other, tmp_path / "between", lambda event: None)
        worker.run(spec, tmp_path / "reused", lambda event: None)
    runs = [(spec, tmp_path / "left"), (tiny_spec(*prepared, "full", 2), tmp_path / "right")]
    threads = [threading.Thread(target=run_in_worker, args=(slots, *run)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("fresh", "reused", "left"):
        assert result_in(tmp_path / name) == plain
    assert result_in(tmp_path / "right")["record"]["weights_sha256"] != plain["record"]["weights_sha256"]


@pytest.mark.skipif(not is_exact_here(), reason="oneDNN computes in lower precision on this CPU, and runs with it are refused")
def test_a_run_with_the_other_kernels_is_another_run_whose_bits_are_the_same_everywhere(prepared, spec, plain, slots, tmp_path):
    other = tiny_spec(*prepared, **RESUMABLE).model_copy(
        update={"compute": spec.compute.model_copy(update={"kernels": "onednn"})}
    )
    unbroken = tmp_path / "unbroken"
    train_run(other, run_dir=unbroken)
    with slots.lease() as worker:
        for name, each in {"fresh": other, "between": spec, "reused": other}.items():
            worker.run(each, tmp_path / name, lambda event: None)
    assert result_in(tmp_path / "between") == plain, "the kernels of the run before are forgotten"
    interrupted(other, tmp_path / "broken", "step", 11)
    train_run(other, run_dir=tmp_path / "broken")
    for name in ("fresh", "reused", "broken"):
        assert result_in(tmp_path / name) == result_in(unbroken)
    with_mkl = train_run(other.model_copy(update={"compute": spec.compute}), run_dir=tmp_path / "mkl")
    assert (slots.probe_kernels(1).onednn_error or 1.0) < 1e-5, "so a driver may choose them"
    assert with_mkl.digest != other.digest
    same_weights = with_mkl.weights_sha256 == result_in(unbroken)["record"]["weights_sha256"]
    assert not same_weights or small_products_are_the_same_with_both_kernels(), "as they are on some CPUs"
    losses = [[each["loss"] for each in result_in(tmp_path / name)["record"]["evaluations"]] for name in ("mkl", "unbroken")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def small_products_are_the_same_with_both_kernels() -> bool:
    """Bit for bit, of products as small as those of the tiny encoder."""
    draws, found = torch.Generator().manual_seed(0), []
    sizes = [(n, *layer) for n in (5, 64) for layer in ((16, 48), (16, 32), (32, 16))]
    factors = [(torch.randn(n, k, generator=draws), torch.randn(k, m, generator=draws)) for n, k, m in sizes]
    for kernels in ("mkl", "onednn"):
        with kernels_set(kernels):
            found.append([a @ b for a, b in factors])
    return all(map(torch.equal, *found))


def test_global_random_state_has_no_effect_on_a_run(spec, plain, tmp_path):
    def disturb(event: dict[str, Any]) -> None:
        for seed in (torch.manual_seed, np.random.seed, random.seed):
            seed(len(str(event)))
        torch.rand(3), np.random.rand(3), random.random()

    disturb({})
    train_run(spec, run_dir=tmp_path, on_event=disturb)
    assert result_in(tmp_path) == plain


def test_weights_do_not_depend_on_when_the_run_is_validated(prepared, plain, tmp_path):
    digests = {plain["record"]["digest"]}
    for name, cadence in {"each": 1, "third": 3, "end": 1000}.items():
        spec = tiny_spec(*prepared, evaluate_every_steps=cadence, evaluate_every_epochs=None)
        record = train_run(spec, run_dir=tmp_path / name)
        assert [e.step for e in record.evaluations] == sorted({*range(cadence, 16, cadence), 15})
        assert record.weights_sha256 == plain["record"]["weights_sha256"]
        assert record.final == plain["record"]["final"]
        assert steps_in(tmp_path / name) == list(range(1, 16))
        digests.add(record.digest)
    assert len(digests) == 4, "the cadence decides the best checkpoint, so it is part of the identity"


def test_a_run_is_the_same_whether_its_model_is_kept_or_its_state_saved(spec, plain, tmp_path):
    record = train_run(every_step_saved(spec).model_copy(update={"keep_model": False}), run_dir=tmp_path)
    assert record.weights_sha256 == plain["record"]["weights_sha256"]
    assert record.digest == plain["record"]["digest"]
    assert record.model_dir is None
    assert not (tmp_path / "model").exists()
    assert not (tmp_path / "checkpoint").exists(), "a finished run needs no state"


def test_the_files_of_a_run_are_those_of_its_record(spec, tmp_path):
    record = train_run(spec, run_dir=tmp_path)
    assert len(record.files) >= 4
    assert {"curves.jsonl", "model/model.safetensors"} <= record.files.keys()
    predictions = {path for of_split in record.predictions.values() for path in of_split.values()} | {CONFIDENCES_FILE}
    model = {path.relative_to(tmp_path).as_posix() for path in (tmp_path / "model").iterdir()}
    assert {"model/tokenizer.json", "model/config.json", "model/bertft_head.json"} <= model
    assert record.files.keys() - {"curves.jsonl"} == predictions | model
    for name, sha256 in record.files.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == sha256
    assert len(record.batch_order_sha256) == 3


def test_the_state_is_saved_after_so_many_steps_too(spec, tmp_path):
    saved = []
    by_steps = spec.model_copy(update={"checkpoint_every_steps": 4, "checkpoint_every_seconds": 1e9})
    train_run(
        by_steps, run_dir=tmp_path, on_event=lambda event: saved.append(event["step"]) if event["kind"] == "saving" else None
    )
    assert saved == [4, 8, 12]


# After a kill


@pytest.fixture(scope="module")
def resumable(prepared, tmp_path_factory) -> tuple[RunSpec, dict[str, Any]]:
    spec = stopping(tiny_spec(*prepared, **RESUMABLE))
    run_dir = tmp_path_factory.mktemp("unbroken")
    train_run(spec, run_dir=run_dir)
    assert steps_in(run_dir) == list(range(1, STEPS + 1))
    return spec, result_in(run_dir)


@pytest.mark.parametrize(
    ("kind", "step"),
    [("step", 1), ("step", 2), ("step", 7), ("evaluation", 9), ("saving", 12), ("step", 20), ("predicting", None)],
)
def test_a_run_goes_on_after_a_kill_with_the_same_bits(resumable, tmp_path, kind, step):
    spec, unbroken = resumable
    interrupted(spec, tmp_path, kind, step)
    events = []
    train_run(spec, run_dir=tmp_path, on_event=events.append)
    resumed_from = STEPS if step is None else (step - 1 or None)
    assert events[0] == {"kind": "started", "planned_steps": STEPS, "resumed_from_step": resumed_from}
    assert result_in(tmp_path) == unbroken
    assert steps_in(tmp_path) == list(range(1, STEPS + 1))


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(resumable, tmp_path):
    spec, unbroken = resumable
    for step in (3, 4, 10, 19):
        interrupted(spec, tmp_path, "step", step)
    train_run(spec, run_dir=tmp_path)
    assert result_in(tmp_path) == unbroken
    assert steps_in(tmp_path) == list(range(1, STEPS + 1))


def test_a_frozen_encoder_is_resumed_with_the_same_bits(prepared, tmp_path):
    spec = stopping(tiny_spec(*prepared, "features", 0, **RESUMABLE))
    train_run(spec, run_dir=tmp_path / "unbroken")
    interrupted(spec, tmp_path / "broken", "step", 11)
    train_run(spec, run_dir=tmp_path / "broken")
    assert result_in(tmp_path / "broken") == result_in(tmp_path / "unbroken")


def test_a_worker_killed_by_sigkill_leaves_a_run_that_goes_on(prepared, slots, tmp_path):
    spec = tiny_spec(*prepared, epochs=None, max_steps=150)
    train_run(spec, run_dir=tmp_path / "unbroken")
    events: list[dict[str, Any]] = []
    with slots.lease() as worker:

        def kill_in_the_middle(event: dict[str, Any]) -> None:
            if event["kind"] == "step" and event["step"] == 20:
                wait_for_state(tmp_path / "broken", 19)
                os.kill(worker.pid, signal.SIGKILL)

        with pytest.raises(WorkerDied, match="SIGKILL"):
            worker.run(every_step_saved(spec), tmp_path / "broken", kill_in_the_middle)
    assert not (tmp_path / "broken" / "record.json").exists()
    train_run(spec, run_dir=tmp_path / "broken", on_event=events.append)
    assert events[0]["resumed_from_step"] >= 19
    assert result_in(tmp_path / "broken") == result_in(tmp_path / "unbroken")
    assert steps_in(tmp_path / "broken") == list(range(1, 151))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip_one_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(("damage", "file"), [(cut, TENSORS), (flip_one_bit, TENSORS), (Path.unlink, TENSORS), (cut, POSITION)])
def test_a_torn_checkpoint_is_passed_over_for_the_one_before(resumable, tmp_path, damage, file):
    spec, unbroken = resumable
    interrupted(spec, tmp_path, "step", 8)
    saved = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert saved == ["step-00000006", "step-00000007"]
    damage(tmp_path / "checkpoint" / saved[-1] / file)
    events = []
    train_run(spec, run_dir=tmp_path, on_event=events.append)
    problem, started = events[:2]
    assert problem["kind"] == "problem"
    assert problem["text"].startswith("checkpoint step-00000007: ")
    assert "the one before it is used" in problem["text"]
    assert started["resumed_from_step"] == 6
    assert result_in(tmp_path) == unbroken


@pytest.mark.parametrize("line", [3, -1])
def test_curves_that_were_changed_cost_the_checkpoints_after_them_and_are_whole_at_the_end(resumable, tmp_path, line):
    spec, unbroken = resumable
    interrupted(spec, tmp_path, "step", 8)
    curves = tmp_path / "curves.jsonl"
    lines = curves.read_bytes().splitlines(keepends=True)
    lines[line] = lines[line].replace(b'"loss": ', b'"loss": 1')
    curves.write_bytes(b"".join(lines))
    events = []
    train_run(spec, run_dir=tmp_path, on_event=events.append)
    problems = [event["text"] for event in events if event["kind"] == "problem"]
    assert all("the curves beside it have changed" in text for text in problems)
    started = next(event for event in events if event["kind"] == "started")
    assert (len(problems), started["resumed_from_step"]) == ((2, None) if line == 3 else (1, 6))
    assert (tmp_path / "curves.jsonl.damaged").read_bytes() == b"".join(lines)
    assert result_in(tmp_path) == unbroken
    assert steps_in(tmp_path) == list(range(1, STEPS + 1))


def test_a_run_starts_anew_when_every_checkpoint_is_torn_or_of_another_run(prepared, resumable, tmp_path):
    spec, unbroken = resumable
    interrupted(stopping(tiny_spec(*prepared, "full", 1, **RESUMABLE)), tmp_path / "other", "step", 8)
    interrupted(spec, tmp_path / "run", "step", 8)
    for path in (tmp_path / "run" / "checkpoint").glob(f"*/{TENSORS}"):
        cut(path)
    shutil.copytree(tmp_path / "other" / "checkpoint" / "step-00000007", tmp_path / "run" / "checkpoint" / "step-00000009")
    (tmp_path / "run" / "checkpoint" / ".step-00000010.part").mkdir()
    events = []
    train_run(spec, run_dir=tmp_path / "run", on_event=events.append)
    assert sum(event["kind"] == "problem" for event in events) == 3
    assert next(event for event in events if event["kind"] == "started")["resumed_from_step"] is None
    assert result_in(tmp_path / "run") == unbroken


class Malice:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_in_the_place_of_a_checkpoint_or_of_stored_features_is_not_loaded(prepared, tmp_path):
    spec = stopping(tiny_spec(*prepared, "features", 0, **RESUMABLE))
    interrupted(spec, tmp_path / "run", "step", 8)
    evil = pickle.dumps(Malice(tmp_path / "executed"))
    for path in (tmp_path / "run" / "checkpoint").glob("step-*/*"):
        path.write_bytes(evil)
    stored = sorted(Path(spec.prepared_dir).glob("features/*/*.npy"))
    assert len(stored) >= 2
    for path in stored:
        path.write_bytes(evil)
    events = []
    train_run(spec, run_dir=tmp_path / "run", on_event=events.append)
    problems = [event["text"] for event in events if event["kind"] == "problem"]
    assert sum("does not match its checksum; the states are recomputed" in text for text in problems) == len(stored)
    assert sum(text.startswith("checkpoint step-") for text in problems) == 2
    assert not (tmp_path / "executed").exists()
    train_run(spec, run_dir=tmp_path / "unbroken", on_event=events.append)
    assert result_in(tmp_path / "run") == result_in(tmp_path / "unbroken")


# Three streams


@pytest.fixture(scope="module")
def untrained(prepared, tmp_path_factory):
    """Run one step whose learning rate is 0, so that the saved model is the one a run starts from; its record and weights."""

    def run(**seeds: int) -> tuple[RunRecord, dict[str, torch.Tensor]]:
        run_dir = tmp_path_factory.mktemp("untrained")
        record = train_run(reseeded(tiny_spec(*prepared, epochs=None, max_steps=1, warmup_ratio=0.5), **seeds), run_dir=run_dir)
        return record, load_file(run_dir / "model" / "model.safetensors")

    return run


def reseeded(spec: RunSpec, **seeds: int) -> RunSpec:
    return spec.model_copy(update={"seeds": spec.seeds.model_copy(update=seeds)})


def test_another_init_seed_changes_the_head_alone(prepared, untrained):
    _, card = prepared
    (first, weights), (second, others) = untrained(), untrained(init=1)
    assert first.initial_head_sha256 != second.initial_head_sha256
    changed = {name for name in weights if not torch.equal(weights[name], others[name])}
    assert changed == {"classifier.weight"}, "the bias starts at 0"
    pretrained = load_file(Path(card.encoder_dir) / "model.safetensors")
    assert len(pretrained) > 30
    for name, values in pretrained.items():
        assert torch.equal(weights[f"bert.{name}"], values)


def test_another_order_seed_changes_the_batches_alone(spec, untrained):
    (first, weights), (second, others) = untrained(), untrained(order=1)
    assert first.initial_head_sha256 == second.initial_head_sha256
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    plans = [StepPlan(24, spec.training, seed) for seed in (spec.seeds.order, 1)]
    assert any(plans[0].indices(step).tolist() != plans[1].indices(step).tolist() for step in range(5))


def test_another_dropout_seed_changes_neither_head_nor_batches(prepared, untrained, tmp_path):
    assert untrained()[0].initial_head_sha256 == untrained(dropout=1)[0].initial_head_sha256
    spec = tiny_spec(*prepared, dropout=0.0)
    first = train_run(spec, run_dir=tmp_path / "first")
    second = train_run(reseeded(spec, dropout=1), run_dir=tmp_path / "second")
    assert first.weights_sha256 == second.weights_sha256, "without dropout the stream is never drawn from"


@pytest.mark.parametrize("stream", ["init", "order", "dropout"])
def test_every_stream_matters(spec, plain, tmp_path, stream):
    record = train_run(reseeded(spec, **{stream: 1}), run_dir=tmp_path)
    assert record.weights_sha256 != plain["record"]["weights_sha256"]
    assert record.digest != plain["record"]["digest"]


# Gradient accumulation


@pytest.mark.parametrize("micro_batch_size", [1, 2, 3])
def test_a_step_in_several_passes_has_the_loss_and_gradient_of_the_whole_step(prepared, tmp_path, micro_batch_size):
    curves = []
    for size in (None, micro_batch_size):
        spec = tiny_spec(*prepared, dropout=0.0, micro_batch_size=size, learning_rate=1e-3)
        train_run(spec, run_dir=tmp_path / str(size))
        events = [json.loads(line) for line in (tmp_path / str(size) / "curves.jsonl").read_text().splitlines()]
        curves.append([(event["loss"], event["grad_norm"]) for event in events if event["kind"] == "step"])
    whole, split = np.array(curves)
    assert whole.shape == (15, 2)
    np.testing.assert_allclose(split[:, 0], whole[:, 0], atol=1e-6, rtol=0)
    np.testing.assert_allclose(split[:, 1], whole[:, 1], rtol=1e-4)
    assert np.ptp(whole[:, 0]) > 0.01, "the losses differ from step to step, so equality says something"
