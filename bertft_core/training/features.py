"""First-token states of a frozen encoder, computed once per data set and thread count and shared by all runs.

Every run would compute the same bits (same batches, same thread count), so taking them from the file changes nothing but time.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bertft_core.config.base import digest_of
from bertft_core.data.prepared import PreparedSplit
from bertft_core.records import RunSpec
from bertft_core.records.store import write_atomically
from bertft_core.training.environment import cpu_name
from bertft_core.training.forward import Forward


def feature_dir(spec: RunSpec, device: torch.device) -> Path:
    """Where the states of this encoder lie: everything that could change a bit goes into the name."""
    processor = cpu_name() if device.type == "cpu" else torch.cuda.get_device_name(device)
    parts = (spec.encoder.weights_sha256, device.type, spec.threads, spec.training.precision, torch.__version__, processor)
    return Path(spec.prepared_dir) / "features" / digest_of(parts)[:16]


def frozen_features(forward: Forward, split: PreparedSplit, directory: Path) -> Tensor:
    """The states [n, 1, hidden] of a split in fp32, from the file or computed and stored."""
    path = directory / f"{split.name}.npy"
    try:
        states = torch.from_numpy(np.load(path, allow_pickle=False))
        if len(states) == split.n:
            return states.to(forward.device)
    except (OSError, ValueError, EOFError):
        pass  # not there yet, or torn
    states = forward.evaluate(split, forward.first_token_states)
    buffer = io.BytesIO()
    np.save(buffer, states.numpy(), allow_pickle=False)
    write_atomically(path, buffer.getvalue())
    return states.to(forward.device)
