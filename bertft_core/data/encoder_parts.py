"""Which weights of a model its files hold: nothing may be trained from random weights that were meant to be pre-trained."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bertft_core.config import UserError
from bertft_core.data.examples import shorten
from bertft_core.data.memoryless_loading import LoadedNames, load_without_memory
from bertft_core.storage.weight_files import TensorHeader

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
POOLER = "pooler"
"""The one part of an encoder that a checkpoint may lack as a whole, or have without use: some classes are trained without it."""
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
            found=some_names(missing_head | wrong_head, "not in the file, or of another shape"),
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


def _refuse_other_body(path: Path, headers: dict[str, TensorHeader], loaded: LoadedNames) -> None:
    pooler = {name for name in loaded.body if loaded.module(name) == POOLER}
    drawn = pooler if pooler <= loaded.missing else frozenset[str]()
    body = {name for name in loaded.missing - drawn if loaded.in_body(name)}
    extra = {name for name in loaded.unexpected if loaded.in_body(name) and loaded.module(name) != POOLER}
    shapes = {name: both for name, both in loaded.mismatched.items() if loaded.in_body(name)}
    other = {n: h for n, h in headers.items() if h.dtype not in FLOATS and not n.endswith(("position_ids", "token_type_ids"))}
    expected = "the weights of exactly the model that config.json describes"
    if loaded.twice:
        names = loaded.twice[min(loaded.twice)]
        raise UserError(
            "the encoder weights are there twice, and only one set of them would be used",
            code="encoder.weights-twice",
            path=path,
            found=f"{len(loaded.twice)} under several names: {' and '.join(shorten(name, 80) for name in names)}",
            expected="every weight under one name",
            hint="load the model with the class that trained it and save it with save_pretrained, or take the original files",
        )
    hint = "take config.json and weights from the same checkpoint, or save the model with save_pretrained"
    if body:
        found = some_names(body, "missing")
        if loaded.unexpected:
            found += f"; {some_names(loaded.unexpected, 'not of this model')}"
        code, problem = "encoder.weights-incomplete", "the encoder weights lack parts of the model"
    elif shapes:
        name, (there, wanted) = min(shapes.items())
        found = f"{len(shapes)} of another shape: {name} is {list(there)}, and {list(wanted)} by config.json"
        code, problem = "encoder.weights-other-shape", "the encoder weights have other shapes than the model"
    elif extra:
        found = some_names(extra, "not of this model")
        code, problem = "encoder.weights-unexpected", "the encoder weights hold more than the model has"
    elif other:
        name, header = min(other.items())
        found = f"{len(other)} of another type: {name} is {header.dtype}"
        code, problem, expected = (
            "encoder.weights-other-type",
            "the encoder weights are not floating-point numbers",
            "F64, F32, F16 or BF16",
        )
    else:
        return
    raise UserError(problem, code=code, path=path, found=found, expected=expected, hint=hint)


def some_names(names: Iterable[str], what: str) -> str:
    """'12 missing: a, b, c, …'."""
    ordered = sorted(names)
    more = ", …" if len(ordered) > N_SHOWN else ""
    return f"{len(ordered)} {what}: {', '.join(shorten(name, 80) for name in ordered[:N_SHOWN])}{more}"
