"""The state of an unfinished run: safetensors and JSON, complete or absent, and nothing that could execute code."""

import hashlib
import os
import re
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from bertft_core.config.base import Frozen
from bertft_core.records import Evaluation
from bertft_core.storage.damage import set_aside
from bertft_core.storage.study_dir import Damaged, checked_record, file_sha256, write_record

KEPT = 2
TENSORS, POSITION = "state.safetensors", "position.json"
NAME = re.compile(r"step-\d{8}")


class Position(Frozen):
    """The position of a run: everything but its tensors. Streams have no state: they are functions of the step."""

    digest: str
    """Of the run's spec."""
    step: int = 0
    evaluations: tuple[Evaluation, ...] = ()
    untrained: Evaluation | None = None
    """At step 0."""
    best_step: int | None = None
    best_score: float | None = None
    """The study's metric at `best_step`."""
    best_watched: float | None = None
    """The metric that chose `best_step`: the study's, unless early stopping watches another."""
    n_without_rise: int = 0
    """Consecutive evaluations without improvement, for early stopping."""
    train_seconds: float = 0.0
    evaluate_seconds: float = 0.0
    scaler: dict[str, float | int] = {}
    """State of the fp16 gradient scaler."""
    tensors_sha256: str = ""
    curves_size: int = 0
    """Bytes of the run's curves written so far, and their SHA-256."""
    curves_sha256: str = ""


class CheckpointWriter:
    """Writes states of a run; training goes on while a thread checksums and flushes what was written.

    A state counts once its folder has its name, so a kill at any moment leaves the one before.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def save(self, position: Position, tensors: dict[str, Tensor]) -> None:
        """Write the tensors, which may change afterwards, and complete the state in a thread; the one before is complete then."""
        self.wait()
        part = self._directory / f".step-{position.step:08d}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        save_file({name: values.contiguous() for name, values in tensors.items()}, part / TENSORS)
        self._thread = threading.Thread(target=self._complete_or_keep_error, args=(part, position), name="checkpoint")
        self._thread.start()

    def wait(self) -> None:
        """Return when the last state is complete. Raises what its thread raised."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _complete_or_keep_error(self, part: Path, position: Position) -> None:
        try:
            _complete(self._directory, part, position)
        except BaseException as error:
            self._error = error


def _complete(directory: Path, part: Path, position: Position) -> None:
    target = directory / f"step-{position.step:08d}"
    with (part / TENSORS).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    write_record(part / POSITION, position.model_copy(update={"tensors_sha256": digest}))
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    for old in checkpoints(directory)[:-KEPT]:
        shutil.rmtree(old)


def checkpoints(directory: Path) -> list[Path]:
    """The folders of saved states, the oldest first; without those set aside."""
    return sorted(path for path in directory.glob("step-*") if NAME.fullmatch(path.name))


def load_checkpoint(
    directory: Path,
    digest: str,
    *,
    tell: Callable[[str], None] = lambda problem: None,
    fits: Callable[[Position], bool] = lambda position: True,
) -> tuple[Position, dict[str, Tensor]] | None:
    """The newest intact checkpoint of the run with this digest. Damaged ones are reported, set aside, and the one before is used.

    `fits` says whether the curves beside the checkpoint are still the same.
    """
    for folder in reversed(checkpoints(directory)):
        problem = None
        try:
            position = checked_record(folder / POSITION, Position)
            if position.digest != digest:
                problem = "it belongs to another run"
            elif file_sha256(folder / TENSORS) != position.tensors_sha256:
                problem = "its tensors do not match their checksum"
            elif not fits(position):
                problem = "the curves beside it have changed"
        except Damaged as error:
            problem = str(error).removeprefix(f"{folder / POSITION}: ")
        except OSError as error:
            problem = f"{Path(error.filename or folder).name} cannot be read: {error.strerror}"
        if problem is None:
            return position, load_file(folder / TENSORS)
        aside = set_aside(folder)
        tell(
            f"checkpoint {folder.name}: {problem}; the one before it is used, or the run starts over (set aside as {aside.name})"
        )
    return None


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: dict[int, str]) -> dict[str, Tensor]:
    """The optimizer's state by parameter name; `names` maps `id(parameter)` to its name."""
    return {
        f"optimizer/{key}/{names[id(parameter)]}": values
        for parameter, state in optimizer.state.items()
        for key, values in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], parameters: dict[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` took."""
    for path, values in tensors.items():
        kind, _, rest = path.partition("/")
        if kind != "optimizer":
            continue
        key, _, name = rest.partition("/")
        state: dict[str, Any] = optimizer.state[parameters[name]]
        state[key] = values.to(parameters[name].device)
