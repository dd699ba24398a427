"""Cores that no other run needs make a run faster and change no bit of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from bertft_core.training import spare_cores
from bertft_core.training.fast_layers import spread as spreading
from bertft_core.training.fast_layers.spread import has_same_bits, spread
from bertft_core.training.kernels import current_kernels, kernels_set
from bertft_core.training.run import train_run
from bertft_core.training.slots import Slots
from bertft_core.training.spare_cores import SPARE
from bertft_core.training.workers import Worker
from tests.helpers.interrupted_runs import interrupted, result_in
from tests.helpers.tiny_studies import tiny_spec, tiny_study

ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def lent(monkeypatch) -> Iterator[list[tuple[Any, int]]]:
    """Two cores at once; every operation that was computed on two, and on how many it was asked for."""
    monkeypatch.setattr(spare_cores, "SETTLED_SECONDS", 0.0)
    monkeypatch.setattr(spare_cores, "N_JUDGED", 0)  # what is so small takes longer on two
    monkeypatch.setattr(spreading, "_OWN_SECONDS", {})
    threads, on_threads, used = torch.get_num_threads(), spreading._on_threads, []

    def counted(n: int, own: int, operation: Any, operands: Any) -> torch.Tensor:
        used.append((operation, n))
        return on_threads(n, own, operation, operands)

    monkeypatch.setattr(spreading, "_on_threads", counted)
    torch.set_num_threads(1)
    SPARE.lend(2)
    yield used
    SPARE.lend(0)
    torch.set_num_threads(threads)


def fast(spec: Any) -> Any:
    return spec.model_copy(update={"compute": spec.compute.model_copy(update={"path": "fast", "masks": 2})})


@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_a_run_on_lent_cores_has_the_bits_of_a_run_on_its_own(tmp_path, request, kind):
    spec = fast(tiny_spec(*tiny_study(tmp_path, kind=kind)))
    train_run(spec, run_dir=tmp_path / "own")
    used = request.getfixturevalue("lent")
    train_run(spec, run_dir=tmp_path / "lent")
    assert len(used) > 100
    assert {n for _, n in used} == {2}
    assert result_in(tmp_path / "lent") == result_in(tmp_path / "own")


def test_a_run_that_was_killed_on_lent_cores_goes_on_without_them(tmp_path, lent):
    spec = fast(tiny_spec(*tiny_study(tmp_path)))
    interrupted(spec, tmp_path / "killed", "step", 7)
    assert lent
    SPARE.lend(0)
    train_run(spec, run_dir=tmp_path / "killed")
    train_run(spec, run_dir=tmp_path / "straight")
    assert result_in(tmp_path / "killed") == result_in(tmp_path / "straight")


@pytest.mark.parametrize("is_same", [True, False])
def test_a_shape_is_computed_both_ways_once_and_then_as_its_bits_allow(lent, is_same):
    """Of numbers that may differ: what a run has first may be no numbers at all."""
    calls: list[int] = []

    def operation(x: torch.Tensor, _: None) -> torch.Tensor:
        calls.append(torch.get_num_threads())
        return x + (0.0 if is_same or torch.get_num_threads() == 1 else 1e-7)

    x = torch.full((3, 4), torch.nan).t()
    for _ in range(3):
        assert has_same_bits(spread(operation, x, None), x + 0.0)
    assert calls == [1, 2, *([2, 2, 2] if is_same else [1, 1, 1])]
    assert torch.get_num_threads() == 1
    spread(operation, x[:2], None)
    assert calls[-3:-1] == [1, 2], "another shape"
    with kernels_set("onednn" if current_kernels() == "mkl" else "mkl"):
        spread(operation, x, None)
    assert calls[-3:-1] == [1, 2], "other kernels"


def test_products_in_the_place_of_what_they_are_added_to_are_the_same(lent):
    generator = torch.Generator().manual_seed(0)
    for rows, width, inner in ((336, 384, 1152), (16, 32, 64), (7, 5, 3)):
        d, x, w = (torch.randn(size, generator=generator) for size in ((rows, width), (rows, inner), (inner, width)))
        assert has_same_bits(spread(torch.addmm, d, x, w), d.clone().addmm_(x, w))


def test_cores_count_when_they_have_been_free_for_a_while(monkeypatch):
    now = [10.0]
    monkeypatch.setattr(spare_cores.time, "monotonic", lambda: now[0])
    spare = spare_cores.SpareCores()
    assert spare.cores() == 0
    spare.lend(2)
    assert spare.cores() == 0
    now[0] += spare_cores.SETTLED_SECONDS
    assert spare.cores() == 2
    spare.lend(1)
    assert spare.cores() == 0


def test_cores_that_save_no_time_are_left_alone_for_a_while(monkeypatch):
    now = [10.0]
    monkeypatch.setattr(spare_cores.time, "monotonic", lambda: now[0])
    spare = spare_cores.SpareCores()
    spare.lend(2)
    now[0] += spare_cores.SETTLED_SECONDS

    def computed(saved: float) -> int:
        for _ in range(spare_cores.N_JUDGED):
            spare.have_saved(saved)
        return spare.cores()

    assert [computed(0.001), computed(-0.001)] == [2, 0]
    now[0] += spare_cores.REST_SECONDS
    assert spare.cores() == 2
    assert computed(0.001) == 2, "what was lost before is forgotten"


def test_runs_share_the_cores_of_all_slots(tmp_path, monkeypatch):
    """Three slots, on a machine that has as many cores."""
    told: list[tuple[int, int]] = []
    workers: dict[int, int] = {}

    def lend(self: Worker, cores: int) -> None:
        told.append((workers.setdefault(id(self), len(workers)), cores))

    monkeypatch.setattr(Worker, "lend", lend)
    monkeypatch.setattr("bertft_core.training.slots.usable_cores", lambda: 3)
    with Slots([ENVIRONMENT] * 3, tmp_path) as slots:
        with slots.lease():
            assert told == [(0, 3)]
            with slots.lease():
                assert sorted(told[1:]) == [(0, 1), (1, 1)]
                with slots.lease():
                    assert sorted(told[3:]) == [(0, 1), (1, 1), (2, 1)]
            assert told[-1] == (0, 3)
        assert len(told) == 1 + 2 + 3 + 2 + 1, "nobody is told when the last run has ended"


def test_a_worker_hears_of_cores_in_the_middle_of_a_run(tmp_path):
    """The second slot is free: what the worker trains has the bits of a run in this process."""
    spec = fast(tiny_spec(*tiny_study(tmp_path)))
    heard = threading.Event()
    with Slots([ENVIRONMENT] * 2, tmp_path / "logs") as slots, slots.lease() as worker:
        worker.run(spec, tmp_path / "worker", lambda event: (worker.lend(2), heard.set()) if event.get("step") == 3 else None)
    assert heard.is_set()
    train_run(spec, run_dir=tmp_path / "here")
    assert result_in(tmp_path / "worker") == result_in(tmp_path / "here")
