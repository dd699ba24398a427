"""Dropout masks of 16 bits: exact expectation, one stream for each pass, rows that are no tokens."""

from __future__ import annotations

import pytest
import torch

from bertft_core.training.dropout_masks import STEPS, DropoutMasks


def masks(seed: int = 0, n_tokens: int = 10) -> DropoutMasks:
    torch.manual_seed(seed)
    return DropoutMasks(n_tokens)


@pytest.mark.parametrize("p", [0.1, 0.5, 1 / STEPS, 0.9])
def test_so_many_are_dropped_and_the_expectation_is_one(p):
    mask = masks().drawn((1000, 1001), p, torch.float64)
    n_dropped = round(p * STEPS)
    assert set(mask.unique().tolist()) == {0.0, STEPS / (STEPS - n_dropped)}
    expected, n = n_dropped / STEPS, mask.numel()
    assert abs(float((mask == 0).double().mean()) - expected) < 5 * (expected * (1 - expected) / n) ** 0.5
    assert STEPS / (STEPS - n_dropped) * (1 - expected) == pytest.approx(1.0, abs=1e-15)


def test_nothing_is_drawn_where_nothing_or_everything_is_dropped():
    first, second = masks(), masks()
    assert second.drawn((5, 5), 0.0, torch.float32) is None
    assert not second.drawn((5, 5), 1.0, torch.float32).any()
    assert torch.equal(first.drawn((7,), 0.3, torch.float32), second.drawn((7,), 0.3, torch.float32))


def test_a_pass_has_the_masks_of_its_seed_and_the_next_has_others():
    shape = (64, 3)
    drawn = [masks(seed).drawn(shape, 0.5, torch.float32) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    torch.manual_seed(1)
    torch.testing.assert_close(DropoutMasks(10).drawn(shape, 0.5, torch.float32), drawn[0])
    assert not torch.equal(DropoutMasks(10).drawn(shape, 0.5, torch.float32), drawn[0])


def test_rows_that_are_no_tokens_are_zero_and_draw_nothing():
    padded, plain = masks(n_tokens=10), masks(n_tokens=10)
    with_more = padded.of_rows(16, 8, 0.4, torch.float32)
    assert torch.equal(with_more[:10], plain.of_rows(10, 8, 0.4, torch.float32))
    assert not with_more[10:].any()
    assert torch.equal(padded.of_rows(4, 8, 0.4, torch.float32), plain.of_rows(4, 8, 0.4, torch.float32)), "the next draws agree"
    assert masks().drawn((9, 9), 0.4, torch.bfloat16).dtype == torch.bfloat16
