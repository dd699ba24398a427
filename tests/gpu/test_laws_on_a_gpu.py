"""The laws of a run on a GPU; `BERTFT_TEST_DEVICE=cpu` is a dry run. What hangs on no device is tested elsewhere.

Needs neither Prefect, MLflow nor Optuna: `benchmarks/gpu/check.sh` runs this file on a bare machine.
"""

from __future__ import annotations

import os
import signal
import threading
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from bertft_core.config.execution_settings import ExecutionConfig
from bertft_core.config.strategy_combinations import objection
from bertft_core.data.prepared_split import open_split
from bertft_core.records import RunSpec
from bertft_core.records.compute import Compute
from bertft_core.strategies import STRATEGIES
from bertft_core.training import determinism
from bertft_core.training.devices import slot_environments
from bertft_core.training.run import RunParts, ignore, train_run
from bertft_core.training.slots import Slots
from bertft_core.training.uploads import on_device
from bertft_core.training.workers import WorkerDied
from tests.helpers.batches import collate
from tests.helpers.every_strategy import HEADS, SETTINGS, started, with_strategies
from tests.helpers.gpu_device import chosen_device
from tests.helpers.interrupted_runs import RESUMABLE, every_step_saved, interrupted, losses_in, result_in
from tests.helpers.tiny_studies import tiny_spec, tiny_study

pytestmark = pytest.mark.gpu
PRECISIONS = ("fp32", "bf16")
FAMILIES = ("bert", "roberta", "electra", "distilbert", "deberta-v2", "modernbert", "mpnet", "longformer")
"""One of each way in which a family computes its attention."""


@pytest.fixture(scope="module")
def device() -> torch.device:
    return chosen_device()


def on(device: torch.device, spec: RunSpec) -> RunSpec:
    return spec.model_copy(update={"compute": Compute(device=device.type)})


@pytest.fixture(scope="module")
def spec(device, tmp_path_factory) -> RunSpec:
    return on(device, tiny_spec(*tiny_study(tmp_path_factory.mktemp("study")), **RESUMABLE))


@pytest.fixture(scope="module")
def slots(device, tmp_path_factory):
    execution = ExecutionConfig(device=device.type, slots=3)
    with Slots(slot_environments(execution), tmp_path_factory.mktemp("logs")) as slots:
        yield slots


@pytest.fixture(scope="module")
def lone(spec, slots, tmp_path_factory):
    """Precision → what a run with nobody beside it left."""

    @cache
    def of(precision: str) -> dict[str, Any]:
        run_dir = tmp_path_factory.mktemp("lone")
        with slots.lease() as worker:
            worker.run(in_precision(spec, precision), run_dir, ignore)
        return result_in(run_dir)

    return of


def in_precision(spec: RunSpec, precision: str) -> RunSpec:
    return spec.model_copy(update={"training": spec.training.model_copy(update={"precision": precision})})


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_run_gives_the_same_bits_in_another_process_and_beside_other_runs(spec, slots, lone, tmp_path, precision):
    expected = lone(precision)

    def work(i: int) -> None:
        with slots.lease() as worker:
            for each in range(2):
                worker.run(in_precision(spec, precision), tmp_path / f"{i}-{each}", ignore)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(slots.n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(slots.n):
        for each in range(2):
            assert result_in(tmp_path / f"{i}-{each}") == expected


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_run_goes_on_after_a_kill_with_the_same_bits(spec, slots, lone, tmp_path, precision):
    chosen = in_precision(spec, precision)
    with slots.lease() as worker:

        def kill(event: dict[str, Any]) -> None:
            if event["kind"] == "step" and event["step"] == 8:
                os.kill(worker.pid, signal.SIGKILL)

        with pytest.raises(WorkerDied, match="SIGKILL"):
            worker.run(every_step_saved(chosen), tmp_path, kill)
    with slots.lease() as worker:
        worker.run(chosen, tmp_path, ignore)
    assert result_in(tmp_path) == lone(precision)


def test_a_run_that_is_interrupted_in_this_process_ends_as_in_a_worker(spec, lone, tmp_path):
    interrupted(spec, tmp_path, "step", 11)
    train_run(spec, run_dir=tmp_path)
    assert result_in(tmp_path) == lone("fp32")


@pytest.mark.parametrize("kind", FAMILIES)
def test_the_first_gradients_are_those_of_the_plain_model_in_double_precision(device, tmp_path, kind):
    """Which reads a padded batch on the CPU, through transformers' own forward."""
    spec = on(device, tiny_spec(*tiny_study(tmp_path, kind=kind), dropout=0.0))
    determinism.configure(1, device, spec.compute)
    run = RunParts(spec, tmp_path, device, ignore)
    indices = run.loop.steps.micro_batches(0)[0]
    inputs = run.runner.head_inputs(run.splits["train"], indices)
    run.plan.model.train()
    loss = run.runner.loss_sum(run.runner.logits(run.splits["train"], indices, inputs), inputs) / len(indices)
    loss.backward()
    gradients = {name: values.grad.double().cpu() for name, values in run.plan.learning.items() if values.grad is not None}
    run.runner.use_packed_attention(False)
    model = run.plan.model.double().cpu()
    model.zero_grad()
    split = open_split(spec.prepared_dir, "train")
    plain = model(**collate(split, indices, split.pad_token_id)).loss
    plain.backward()
    assert float(loss.detach()) == pytest.approx(float(plain.detach()), abs=1e-5)
    largest = max(float(values.abs().max()) for values in gradients.values())
    assert len(gradients) >= 18
    for name, values in model.named_parameters():
        if name in gradients:
            assert float((gradients[name] - values.grad).abs().max()) < 1e-5 * max(1.0, largest), name


def test_twenty_losses_are_those_of_the_cpu(spec, tmp_path):
    smooth = spec.model_copy(update={"training": spec.training.model_copy(update={"dropout": 0.0, "learning_rate": 2e-3})})
    train_run(smooth, run_dir=tmp_path / "here")
    train_run(smooth.model_copy(update={"compute": Compute()}), run_dir=tmp_path / "cpu")
    here, cpu = losses_in(tmp_path / "here"), losses_in(tmp_path / "cpu")
    assert len(here) == 20
    assert abs(here[0] - cpu[0]) < 1e-5
    np.testing.assert_allclose(here, cpu, atol=1e-2)


def test_indices_arrive_as_they_were_sent(device):
    arrays = [np.arange(6, dtype=np.int32).reshape(2, 3), np.array([], np.int64), np.array([7])]
    for sent, values in zip(on_device(arrays, device), arrays, strict=True):
        assert (sent.dtype, sent.device.type) == (torch.int64, device.type)
        assert np.array_equal(sent.cpu().numpy(), values)


@pytest.fixture(scope="module")
def of_head(device, tmp_path_factory):
    """Head → the spec of a run of one step."""

    @cache
    def of(head: str) -> RunSpec:
        study, card = HEADS[head](tmp_path_factory.mktemp(head))
        return on(device, tiny_spec(study, card, epochs=None, max_steps=1, evaluate_every_steps=1, evaluate_every_epochs=None))

    return of


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", STRATEGIES)
def test_every_strategy_trains_every_head_for_a_step(device, of_head, tmp_path, head, kind):
    spec = with_strategies(of_head(head), SETTINGS[kind])
    if objection(spec.strategies, spec.head):
        pytest.skip("refused before anything trains")
    determinism.configure(1, device, spec.compute)
    run = started(spec, tmp_path, device)
    assert run.train() in (("completed", None), ("stopped_early", None))
    assert all(torch.isfinite(values).all() for values in run.plan.model.parameters())
