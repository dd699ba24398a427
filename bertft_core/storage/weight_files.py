"""The safetensors files of a model, one or several with an index: found, their headers read, and known by one digest.

Only headers are read here, so this costs the same for a model of any size. Pickled weights can execute code and are never opened.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from bertft_core.config.base import digest_of
from bertft_core.config.errors import UserError
from bertft_core.storage.foreign_content import foreign_content
from bertft_core.storage.study_dir import file_sha256

WEIGHTS = "model.safetensors"
INDEX = f"{WEIGHTS}.index.json"
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack")


class TensorHeader(NamedTuple):
    """What a header says of one tensor."""

    dtype: str
    """As safetensors names it: F32, BF16, I64, …"""
    shape: tuple[int, ...]


def weight_files(directory: Path) -> list[Path]:
    """The files that hold the weights, in a fixed order. Raises `UserError` where there are none, or not all of them."""
    whole = (directory / WEIGHTS).is_file()
    if not (directory / INDEX).is_file():
        if whole:
            return [directory / WEIGHTS]
        raise _no_weights(directory)
    names = _names_of(directory / INDEX)
    if whole and WEIGHTS not in names:
        raise _twice(directory / INDEX, f"{WEIGHTS} and an index of {', '.join(names[:5])}", "one of them")
    missing = [name for name in names if not (directory / name).is_file()]
    if missing:
        raise UserError(
            "the encoder weights are incomplete",
            code="encoder.shard-missing",
            path=directory / INDEX,
            found=f"no {', '.join(missing[:5])}",
            expected=f"every file that the index names ({len(names)} in all)",
            hint="download the missing files into the same folder",
        )
    return [directory / name for name in names]


def weights_sha256(files: Sequence[Path]) -> str:
    """SHA-256 (hex) of a single file's bytes; of several, of the canonical JSON of name → SHA-256."""
    if len(files) == 1:
        return file_sha256(files[0])
    return digest_of({path.name: file_sha256(path) for path in files})


def n_weights(files: Sequence[Path]) -> int:
    """Numbers in all tensors, whatever their types. Raises `UserError` as `read_headers` does."""
    return sum(math.prod(header.shape) for header in read_headers(files).values())


def read_headers(files: Sequence[Path]) -> dict[str, TensorHeader]:
    """Name → header of every tensor. Raises `UserError` for a file that is no whole safetensors file or holds no tensors,
    and for a tensor that is in two files.
    """
    found: dict[str, TensorHeader] = {}
    owners: dict[str, str] = {}
    for path in files:
        try:
            with safe_open(path, framework="np") as opened:
                for name in opened.keys():  # noqa: SIM118  (no mapping)
                    if name in owners:
                        raise _twice(path, f"{name} in {owners[name]} and in {path.name}", "every weight in one file")
                    owners[name] = path.name
                    part = opened.get_slice(name)
                    found[name] = TensorHeader(part.get_dtype(), tuple(part.get_shape()))
        except (SafetensorError, OSError, ValueError) as error:
            raise damaged_weights(path, str(error)) from None
    if not found:
        raise damaged_weights(files[0], "a safetensors file without tensors")
    return found


def _twice(path: Path, found: str, expected: str) -> UserError:
    return UserError(
        "the encoder weights are there twice, and only one set of them would be used",
        code="encoder.weights-twice",
        path=path,
        found=found,
        expected=expected,
        hint="delete the files that do not belong to the checkpoint, or save the model into an empty folder with save_pretrained",
    )


def damaged_weights(path: Path, reason: str) -> UserError:
    """The error for a weights file that cannot be read, to be raised."""
    what = foreign_content(path) if path.is_file() else None
    return UserError(
        "the weights file is damaged, or not a safetensors file",
        code="encoder.weights-damaged",
        path=path,
        found=what or f"{path.stat().st_size if path.is_file() else 0} bytes: {reason.splitlines()[0]}",
        expected="a complete safetensors file",
        hint="download or copy the file again, or save the model with save_pretrained",
    )


def _names_of(path: Path) -> list[str]:
    """The files that an index names: siblings of it, and nothing else."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        names = sorted(set(content["weight_map"].values()))
        valid = bool(names) and all(Path(name).name == name and name.endswith(".safetensors") for name in names)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        valid, names = False, []
    if not valid:
        raise UserError(
            "the index of the weights cannot be read",
            code="encoder.index-damaged",
            path=path,
            found=foreign_content(path) or "no weight_map that names .safetensors files beside the index",
            expected='{"weight_map": {"a tensor": "model-00001-of-00002.safetensors", …}}',
            hint="download the index again, or save the model with save_pretrained",
        )
    return names


def _no_weights(directory: Path) -> UserError:
    present = sorted(path.name for path in directory.iterdir())
    pickled = any(name.endswith(PICKLED) for name in present)
    return UserError(
        "the encoder weights are pickled" if pickled else f"the encoder has no {WEIGHTS}",
        code="encoder.weights-pickled" if pickled else "encoder.no-weights",
        path=directory,
        found=", ".join(present[:12]) or "an empty folder",
        expected=f"the weights as {WEIGHTS}" + (": pickled files can execute code and are never read" if pickled else ""),
        hint="load the model once where you trust it and save it with save_pretrained, or use a revision that has safetensors"
        if pickled
        else "save the model there with save_pretrained, or check encoder.path",
    )
