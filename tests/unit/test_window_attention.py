"""Weights of windows: one window has all of it, and no document sees another one's windows."""

from __future__ import annotations

import numpy as np
import torch

from bertft_core.heads.window_aggregation import aggregated
from bertft_core.heads.window_attention import WindowAttention, attended

RUNS = np.array([1, 3, 2, 1])


def scored(scores: list[float], seed: int = 0) -> torch.Tensor:
    """Logits of three labels for each window, with its score in the last column."""
    logits = torch.randn(len(scores), 3, generator=torch.Generator().manual_seed(seed))
    return torch.cat([logits, torch.tensor(scores)[:, None]], dim=1)


def test_a_document_is_the_weighted_mean_of_its_windows_whatever_stands_beside_it():
    windows = scored([0.3, 1.0, -2.0, 0.5, 4.0, 4.0, -7.0])
    together = attended(windows, RUNS)
    assert together.shape == (4, 3)
    for document, run in zip(together, windows.split(RUNS.tolist()), strict=True):
        assert torch.equal(document, attended(run, np.array([len(run)]))[0])
        weights = run[:, -1].double().exp() / run[:, -1].double().exp().sum()
        torch.testing.assert_close(document.double(), weights @ run[:, :-1].double())


def test_a_document_of_one_window_has_its_logits_bit_by_bit():
    windows = scored([0.3, 1.0, -2.0, 0.5, 4.0, 4.0, -7.0])
    ones = np.flatnonzero(RUNS == 1)
    assert torch.equal(attended(windows, RUNS)[ones], windows[[0, 6], :-1])
    assert torch.equal(aggregated(windows, np.ones(7, np.int64), "attention"), windows[:, :-1])


def test_equal_scores_are_the_mean_and_far_ones_the_best_window():
    windows = scored([0.0] * 7)
    torch.testing.assert_close(attended(windows, RUNS), aggregated(windows[:, :-1], RUNS, "mean"))
    windows[:, -1] = torch.tensor([1e4, 1e30, -1e4, 0.0, -1e30, 0.0, -1e30])
    assert torch.equal(attended(windows, RUNS), windows[[0, 1, 5, 6], :-1])


def test_the_score_is_the_context_vector_times_a_hidden_layer_and_reads_one_window():
    torch.manual_seed(3)
    attention = WindowAttention(8, std=0.5)
    states = torch.randn(5, 8)
    together = attention(states)
    assert together.shape == (5, 1)
    for state, score in zip(states, together, strict=True):
        u = torch.tanh(attention.hidden.weight @ state + attention.hidden.bias)
        torch.testing.assert_close(score[0], attention.context.weight[0] @ u)
    assert not attention.hidden.bias.any()


def test_a_saved_one_opens_as_it_was_and_draws_nothing(tmp_path):
    attention = WindowAttention(8, std=0.5)
    attention.save(tmp_path)
    before = torch.get_rng_state()
    opened = WindowAttention.load(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert opened.state_dict().keys() == attention.state_dict().keys()
    assert all(torch.equal(values, attention.state_dict()[name]) for name, values in opened.state_dict().items())
