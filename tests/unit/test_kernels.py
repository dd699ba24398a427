"""The kernels of fp32 matrix products: measured, switched both ways, and refused where they do not compute in fp32."""

from __future__ import annotations

import time

import pytest
import torch

from bertft_core.config import UserError
from bertft_core.records.compute import Compute
from bertft_core.training import kernels
from bertft_core.training.determinism import configure
from bertft_core.training.environment import read_environment
from bertft_core.training.kernel_probe import LARGEST_ERROR, KernelProbe
from bertft_core.training.kernels import current_kernels, kernels_set, probe_kernels, set_kernels

CPU, ONEDNN = torch.device("cpu"), Compute(kernels="onednn")


@pytest.fixture
def exact(monkeypatch):
    """A machine whose oneDNN computes in fp32, whatever this one is."""
    monkeypatch.setattr(kernels, "_onednn_error", lambda: 1e-6)
    yield
    set_kernels("mkl")


def test_both_kernels_are_measured_and_the_settings_of_the_process_stay():
    before = torch.get_num_threads(), current_kernels()
    found = probe_kernels(1)
    assert 0 < found.speedup < 100
    assert found.mkl_error is not None
    assert 1e-8 < found.mkl_error < LARGEST_ERROR
    assert found.onednn_error is not None
    assert found.onednn_error > 1e-8
    assert (torch.get_num_threads(), current_kernels()) == before


def test_products_of_lower_precision_are_found():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert kernels._error("mkl", kernels._factors()) > 10 * LARGEST_ERROR


@pytest.mark.parametrize(
    ("probe", "best"),
    [
        (KernelProbe(2.2, 5e-7, 1e-6), "onednn"),
        (KernelProbe(1.05, 5e-7, 1e-6), "mkl"),
        (KernelProbe(4.0, 5e-7, 2e-3), "mkl"),
        (KernelProbe(4.0, 5e-7, 3e-4), "mkl"),
        (KernelProbe(1.0, 5e-7, None), "mkl"),
    ],
)
def test_onednn_is_taken_only_where_it_is_exact_and_clearly_faster(probe, best):
    assert probe.best == best


def test_every_run_sets_its_kernels_whatever_the_one_before_has_set(exact):
    for compute, expected in ((ONEDNN, "onednn"), (Compute(), "mkl"), (ONEDNN, "onednn"), (ONEDNN, "onednn"), (Compute(), "mkl")):
        configure(1, CPU, compute)
        assert current_kernels() == read_environment("cpu", 1).kernels == expected
    with kernels_set("onednn"):
        assert current_kernels() == "onednn"
    assert current_kernels() == "mkl"


@pytest.mark.parametrize(("error", "words"), [(2e-3, "an error of 2e-03"), (None, "a torch without oneDNN")])
def test_onednn_is_refused_where_it_does_not_compute_in_fp32(monkeypatch, error, words):
    monkeypatch.setattr(kernels, "_onednn_error", lambda: error)
    with pytest.raises(UserError) as refused:
        configure(1, CPU, ONEDNN)
    assert refused.value.code == "machine.inexact-kernels"
    assert words in (refused.value.found or "")
    assert current_kernels() == "mkl"


def test_a_torch_without_the_switch_computes_as_it_always_did(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert probe_kernels(1).best == "mkl"
    assert probe_kernels(1).onednn_error is None
    configure(1, CPU)
    assert current_kernels() == "mkl"


def test_what_else_the_machine_does_decides_nothing(monkeypatch):
    """By the clock, each look at it while MKL computes is a second later, as where another process has the core."""
    clock, taken = time.perf_counter, [0.0]

    def look() -> float:
        taken[0] += current_kernels() == "mkl"
        return clock() + taken[0]

    for name in ("perf_counter", "monotonic", "time"):
        monkeypatch.setattr(time, name, look)
    assert probe_kernels(1).speedup < 10
