"""Attention beside oneDNN's kernels: the same values, and never through the slow flash kernel."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bertft_core.training import kernels
from bertft_core.training.kernels import current_kernels, kernels_set
from bertft_core.training.scaled_attention import scaled_attention


@pytest.mark.parametrize(("learning", "seen"), [(False, ("mkl", True)), (True, ("onednn", False))])
def test_attention_without_dropout_computes_the_same_and_not_by_flash_with_onednn(monkeypatch, learning, seen):
    monkeypatch.setattr(kernels, "_onednn_error", lambda: 1e-6)
    rng = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(3, 2, 7, 8, generator=rng, requires_grad=learning) for _ in range(3))
    mask = torch.zeros(3, 1, 1, 7)
    mask[1, ..., 4:] = -torch.inf
    with torch.set_grad_enabled(learning):
        plain = scaled_attention(query, key, value, mask, dropout=0.0, scale=None)
    calls = []
    original = nn.functional.scaled_dot_product_attention

    def watched(*args, **how):
        calls.append((current_kernels(), torch.backends.cuda.flash_sdp_enabled()))
        return original(*args, **how)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", watched)
    with kernels_set("onednn"), torch.set_grad_enabled(learning):
        found = scaled_attention(query, key, value, mask, dropout=0.0, scale=None)
        assert current_kernels() == "onednn"
        scaled_attention(query, key, value, mask, dropout=0.1, scale=None)
    assert calls == [seen, ("onednn", True)], "with dropout there is no flash kernel on a CPU"
    torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-6)
    if not learning:
        assert torch.equal(found, plain)
