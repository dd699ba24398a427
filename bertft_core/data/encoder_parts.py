"""Which weights of a model its files hold: nothing may be trained from random weights that were meant to be pre-trained."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.config import UserError
from bertft_core.data.examples import shorten
from bertft_core.data.memoryless_loading import LoadedNames, load_without_memory
from bertft_core.storage.weight_files import TensorHeader, damaged_weights

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
POOLER = "pooler"
"""The one part of an encoder that a checkpoint may lack, or have without use: some classes are trained without it."""
N_SHOWN = 3


class EncoderParts(NamedTuple):
    """What of a model is not from its checkpoint, and what of the checkpoint is not used."""

    new: tuple[str, ...]
    """Modules drawn from the init stream, such as `pooler` and `classifier`."""
    unused: tuple[str, ...]
    """Modules of the checkpoint that this model does not have, or draws anew."""


def compare(
    directory: Path, files: Sequence[Path], headers: dict[str, TensorHeader], auto_class: str, n_outputs: int | None, init: str
) -> EncoderParts:
    """The parts of the model of `auto_class` that the files do not hold, and the other way round.

    `init` is that of the head's configuration. Raises `UserError` when a
    weight of the encoder is missing, unknown, of another shape or no floating-point number, when no such model can be made of
    the config, and for a head that must be kept and does not fit.
    """
    loaded = load_without_memory(directory, files, auto_class, n_outputs)
    _refuse_other_body(files[0], headers, loaded)
    wrong_head = {name for name in loaded.mismatched if not loaded.in_body(name)}
    missing_head = {name for name in loaded.missing if not loaded.in_body(name)}
    if (init == "checkpoint" and missing_head) or (init != "seed" and wrong_head):
        raise UserError(
            "the checkpoint has no complete head of this kind",
            code="encoder.head-missing",
            path=files[0],
            found=_some(missing_head | wrong_head, "not in the file, or of another shape"),
            expected="every weight of the head",
            hint="remove head.init, so that a new head is drawn, or take config.json and weights from the same checkpoint",
        )
    drawn = loaded.head if init == "seed" else missing_head
    new = drawn | {name for name in loaded.missing if loaded.in_body(name)}
    replaced = loaded.head - loaded.missing if init == "seed" else frozenset[str]()
    return EncoderParts(
        new=tuple(sorted({loaded.module(name) for name in new})),
        unused=tuple(sorted({loaded.module(name) for name in loaded.unexpected | replaced})),
    )


def refuse_not_finite(files: Sequence[Path]) -> None:
    """Raise `UserError` for weights that hold NaN or an infinity; every value is read, one tensor at a time."""
    import torch  # slow
    from safetensors import SafetensorError, safe_open

    for path in files:
        try:
            with safe_open(path, framework="pt") as opened:
                names = opened.keys()
                bad = [name for name in names if (t := opened.get_tensor(name)).is_floating_point() and not _finite(torch, t)]
        except (SafetensorError, OSError) as error:
            raise damaged_weights(path, str(error)) from None
        if bad:
            raise UserError(
                "the encoder weights hold NaN or infinite values",
                code="encoder.weights-not-finite",
                path=path,
                found=_some(bad, "not finite"),
                expected="finite numbers",
                hint="download the checkpoint again; if it is your own, its training diverged: use an earlier one",
            )


def _finite(torch: Any, tensor: Any) -> bool:
    return bool(torch.isfinite(tensor).all())


def _refuse_other_body(path: Path, headers: dict[str, TensorHeader], loaded: LoadedNames) -> None:
    body = {name for name in loaded.missing if loaded.in_body(name) and loaded.module(name) != POOLER}
    extra = {name for name in loaded.unexpected if loaded.in_body(name) and loaded.module(name) != POOLER}
    shapes = {name: both for name, both in loaded.mismatched.items() if loaded.in_body(name)}
    other = {n: h for n, h in headers.items() if h.dtype not in FLOATS and not n.endswith(("position_ids", "token_type_ids"))}
    expected = "the weights of exactly the model that config.json describes"
    hint = "take config.json and weights from the same checkpoint, or save the model with save_pretrained"
    if body:
        found = _some(body, "missing")
        if loaded.unexpected:
            found += f"; {_some(loaded.unexpected, 'not of this model')}"
        code, problem = "encoder.weights-incomplete", "the encoder weights lack parts of the model"
    elif shapes:
        name, (there, wanted) = min(shapes.items())
        found = f"{len(shapes)} of another shape: {name} is {list(there)}, and {list(wanted)} by config.json"
        code, problem = "encoder.weights-other-shape", "the encoder weights have other shapes than the model"
    elif extra:
        found = _some(extra, "not of this model")
        code, problem = "encoder.weights-unexpected", "the encoder weights hold more than the model has"
    elif other:
        name, header = min(other.items())
        found = f"{len(other)} of another type: {name} is {header.dtype}"
        code, problem, expected = (
            "encoder.weights-other-type",
            "the encoder weights are not floating-point numbers",
            "F32, F16 or BF16",
        )
    else:
        return
    raise UserError(problem, code=code, path=path, found=found, expected=expected, hint=hint)


def _some(names: Iterable[str], what: str) -> str:
    """'12 missing: a, b, c, …'."""
    ordered = sorted(names)
    more = ", …" if len(ordered) > N_SHOWN else ""
    return f"{len(ordered)} {what}: {', '.join(shorten(name, 80) for name in ordered[:N_SHOWN])}{more}"
