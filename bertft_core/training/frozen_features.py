"""States of a frozen encoder, computed once per data set and thread count and shared by all runs.

Every run would compute the same bits (same batches, same thread count), so reading them from the file only saves time. Runs that
begin together share the work: each computes what no other is computing.
"""

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
import transformers
from filelock import FileLock, Timeout
from torch import Tensor

from bertft_core.config.base import digest_of
from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.records import RunSpec
from bertft_core.records.verification_record import HARMLESS_VARIABLES
from bertft_core.storage.damage import set_aside
from bertft_core.storage.study_dir import write_atomically
from bertft_core.training.environment import VARIABLES, cpu_name
from bertft_core.training.model_runner import ModelRunner

FORMAT = 3
"""Of the files; to be raised when their content or the way in which it is computed changes."""
Features = tuple[Tensor, np.ndarray]
"""The states [M, hidden] of a split in fp32, and where each example's begin [n + 1]."""
Tell = Callable[[str], None]


def feature_dir(spec: RunSpec, device: torch.device) -> Path:
    """Where the states of this encoder are stored: everything that could change a bit is part of the name."""
    processor = cpu_name() if device.type == "cpu" else torch.cuda.get_device_name(device)
    parts = (
        FORMAT,
        spec.encoder.weights_sha256,
        spec.encoder.settings_sha256,
        spec.head.model_dump(mode="json"),  # decides which states are read
        spec.threads,
        spec.training.precision,
        device.type,
        processor,
        torch.backends.cpu.get_cpu_capability(),
        {name: os.environ[name] for name in VARIABLES if name in os.environ and name not in HARMLESS_VARIABLES},
        torch.__version__,
        transformers.__version__,
        *([] if spec.compute.kernels == "mkl" else [spec.compute.kernels]),
        *([] if spec.compute.path == "reference" else [spec.compute.path]),
    )
    return Path(spec.prepared_dir) / "features" / digest_of(parts)[:16]


def all_features(
    runner: ModelRunner, splits: Mapping[str, PreparedSplit], directory: Path, tell: Tell = lambda problem: None
) -> dict[str, Features]:
    """The features of every split; those that another process is computing come last."""
    found: dict[str, Features] = {}
    for waits in (False, True):
        for name, split in splits.items():
            if name not in found:
                with contextlib.suppress(Timeout):
                    found[name] = frozen_features(runner, split, directory, tell, waits=waits)
    return found


def frozen_features(
    runner: ModelRunner, split: PreparedSplit, directory: Path, tell: Tell = lambda problem: None, *, waits: bool = True
) -> Features:
    """The features of a split, from the files or computed and stored.

    Those of a subset are taken from those of the whole split. A file that does not match the SHA-256 beside it is reported and
    set aside. Raises `Timeout` where another process is computing them, unless it `waits`.
    """
    if split.part_of is not None:
        return _taken(*frozen_features(runner, split.part_of[0], directory, tell, waits=waits), split.part_of[1])
    starts, path = _starts(runner, split), directory / f"{split.name}.npy"
    states = _stored(path, starts[-1], tell)
    if states is None:
        directory.mkdir(parents=True, exist_ok=True)
        with FileLock(directory / f".{split.name}.lock", blocking=waits):
            states = _stored(path, starts[-1], tell)  # another process has just computed them
            if states is None:
                states = _computed(runner, split, path)
    return states.to(runner.device), starts


def _starts(runner: ModelRunner, split: PreparedSplit) -> np.ndarray:
    per_example = [runner.head_inputs(split, np.array([i])) for i in range(split.n)]
    rows = [len(inputs.window_lengths) if inputs.positions is None else len(inputs.positions) for inputs in per_example]
    return np.concatenate([[0], np.cumsum(rows)])


def _computed(runner: ModelRunner, split: PreparedSplit, path: Path) -> Tensor:
    states = torch.cat(runner.evaluate(split, lambda split, indices: _states(runner, split, indices)))
    buffer = io.BytesIO()
    np.save(buffer, states.numpy(), allow_pickle=False)
    content = buffer.getvalue()
    write_atomically(_sha256_path(path), hashlib.sha256(content).hexdigest())  # first: a file without it would not be read
    write_atomically(path, content)
    return states


def _taken(states: Tensor, starts: np.ndarray, rows: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """The states of these examples, and where each one's begin."""
    at = np.concatenate([np.arange(starts[row], starts[row + 1]) for row in rows])
    return states[torch.from_numpy(at).to(states.device)], np.concatenate([[0], np.cumsum(np.diff(starts)[rows])])


def _sha256_path(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _stored(path: Path, n_rows: int, tell: Tell) -> Tensor | None:
    """The states in a file, if it matches its checksum and has this many rows."""
    try:
        content = path.read_bytes()
        expected = _sha256_path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):  # absent, or stored by an older version
        return None
    if hashlib.sha256(content).hexdigest() == expected:
        states = torch.from_numpy(np.load(io.BytesIO(content), allow_pickle=False))
        return states if len(states) == n_rows else None
    try:
        aside = set_aside(path)
    except FileNotFoundError:  # by a concurrent run
        return None
    name = Path(*path.parts[-4:])
    tell(f"{name}: its content does not match its checksum; the states are recomputed (set aside as {aside.name})")
    return None


def _states(runner: ModelRunner, split: PreparedSplit, indices: np.ndarray) -> list[Tensor]:
    """The states [m, hidden] of each example."""
    inputs = runner.head_inputs(split, indices)
    ends = np.cumsum(inputs.window_lengths)
    if inputs.positions is None:
        rows = inputs.windows_of
    else:
        per_window = np.diff(np.searchsorted(inputs.positions, ends), prepend=0)
        rows = np.add.reduceat(per_window, np.concatenate([[0], np.cumsum(inputs.windows_of)[:-1]]))
    states = torch.cat([runner.states(part) for part, _ in runner.microbatches(inputs)])
    return list(states.float().cpu().split(rows.tolist()))
