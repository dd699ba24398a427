"""How many examples fit into one forward pass: the activations that a training step keeps, from arithmetic.

A layer keeps about s·b·h·(34 + 5·a·s/h) bytes in 16 bits for b inputs of s word pieces, hidden size h and a attention heads,
and twice that in 32 bits (Korthikanti et al. 2022). Weights, gradients and Adam's two moments are 16 bytes a parameter.
"""

from __future__ import annotations

from bertft_core.recipes.data_profile import EncoderProfile, Machine

USABLE_SHARE = 0.6
"""Share of the memory that a run may plan with."""
BYTES_PER_PARAMETER = 16


def run_bytes(encoder: EncoderProfile, n_inputs: int, length: int) -> int:
    """Bytes of a training step in 32 bits over `n_inputs` inputs of `length` word pieces."""
    per_layer = length * n_inputs * encoder.hidden_size * (34 + 5 * encoder.n_heads * length / encoder.hidden_size)
    return round(2 * encoder.n_layers * per_layer) + BYTES_PER_PARAMETER * encoder.n_parameters


def micro_batch_of(encoder: EncoderProfile, machine: Machine, batch_size: int, length: int, n_windows: int) -> int | None:
    """The largest half, quarter, … of the batch that fits, at least 1; None where the whole batch does.

    An example is read in `n_windows` inputs of `length` word pieces.
    """
    micro, room = batch_size, USABLE_SHARE * machine.memory_bytes
    while micro > 1 and run_bytes(encoder, micro * n_windows, length) > room:
        micro //= 2
    return None if micro == batch_size else micro
