"""The device of the tests marked `gpu`: a GPU, or what a dry run of them names."""

import os

import pytest
import torch

VARIABLE = "BERTFT_TEST_DEVICE"
"""Set to `cpu` the tests marked `gpu` run there: they show that they work, and little about a GPU."""


def chosen_device() -> torch.device:
    """Skips the tests where there is no such device."""
    device = torch.device(os.environ.get(VARIABLE, "cuda"))
    if device.type == "cuda" and not torch.cuda.is_available():
        pytest.skip(f"no GPU; {VARIABLE}=cpu is a dry run")
    return device
