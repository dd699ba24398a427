"""Which weights of a model its files hold: nothing may be trained from random weights that were meant to be pre-trained.

The model is built without memory (torch's meta device) and transformers itself says what would be loaded, so its renaming of old
names, prefixes, tied weights and names to ignore are all taken into account.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bertft_core.config import UserError
from bertft_core.data.examples import shorten
from bertft_core.storage.weight_files import TensorHeader, damaged_weights

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
POOLER = "pooler"
"""The one part of an encoder that a checkpoint may lack, or have in vain: some classes are trained without it."""
N_SHOWN = 3


class EncoderParts(NamedTuple):
    """What of a model is not from its checkpoint, and what of the checkpoint is not used."""

    new: tuple[str, ...]
    """Modules drawn from the init stream, such as `pooler` and `classifier`."""
    unused: tuple[str, ...]
    """Modules of the checkpoint that this model does not have, or draws anew."""


class _Loaded(NamedTuple):
    """What transformers reports of loading a model; names as the model has them, unexpected ones as the file has them."""

    prefix: str
    body_children: frozenset[str]
    head: frozenset[str]
    missing: frozenset[str]
    unexpected: frozenset[str]
    mismatched: dict[str, tuple[Any, Any]]
    """Name → shapes in the file and in the model."""

    def in_body(self, name: str) -> bool:
        """Whether a weight belongs to the encoder, and not to a head."""
        return name.startswith(self.prefix) or name.partition(".")[0] in self.body_children

    def module(self, name: str) -> str:
        return name.removeprefix(self.prefix).partition(".")[0]


def compare(
    directory: Path, files: Sequence[Path], headers: dict[str, TensorHeader], auto_class: str, n_outputs: int | None, init: str
) -> EncoderParts:
    """The parts of the model of `auto_class` that the files do not hold, and the other way round.

    `init` is that of the head's configuration. Raises `UserError` when a
    weight of the encoder is missing, unknown, of another shape or no floating-point number, when no such model can be made of
    the config, and for a head that must be kept and does not fit.
    """
    loaded = _load_without_memory(directory, files, auto_class, n_outputs)
    _refuse_other_body(files[0], headers, loaded)
    wrong_head = {name for name in loaded.mismatched if not loaded.in_body(name)}
    missing_head = {name for name in loaded.missing if not loaded.in_body(name)}
    if (init == "checkpoint" and missing_head) or (init != "seed" and wrong_head):
        raise UserError(
            "the checkpoint has no whole head of this kind",
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


def _refuse_other_body(path: Path, headers: dict[str, TensorHeader], loaded: _Loaded) -> None:
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


def _load_without_memory(directory: Path, files: Sequence[Path], auto_class: str, n_outputs: int | None) -> _Loaded:
    import torch  # slow
    import transformers
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.modeling_utils import LoadStateDictConfig

    nowhere = torch.device("meta")
    try:
        with _quiet(transformers.logging):
            config = transformers.AutoConfig.from_pretrained(directory, trust_remote_code=False, local_files_only=True)
            if n_outputs is not None and n_outputs != config.num_labels:
                config.num_labels = n_outputs
            with nowhere:
                model = getattr(transformers, auto_class).from_config(config, dtype=torch.float32)
            how = LoadStateDictConfig(
                pretrained_model_name_or_path=str(directory),
                ignore_mismatched_sizes=True,
                device_map={"": nowhere},
                weight_mapping=get_model_conversion_mapping(model),  # type: ignore[arg-type]
                dtype=torch.float32,
            )
            info, _ = model._load_pretrained_model(model, None, [str(path) for path in files], how)
            report = model._finalize_model_loading(model, how, info).to_dict()
    except Exception as error:  # of many kinds, all meaning that the settings do not describe such a model
        raise _unusable(directory, auto_class, error) from None
    prefix = f"{model.base_model_prefix}."
    return _Loaded(
        prefix=prefix,
        body_children=frozenset(name for name, _ in model.base_model.named_children()),
        head=frozenset(name for name in model.state_dict() if not name.startswith(prefix)),
        missing=frozenset(report["missing_keys"]),
        unexpected=frozenset(report["unexpected_keys"]),
        mismatched={name: (tuple(there), tuple(wanted)) for name, there, wanted in report["mismatched_keys"]},
    )


def _unusable(directory: Path, auto_class: str, error: Exception) -> UserError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UserError(
        f"no {auto_class.removeprefix('AutoModelFor')} model can be made of the encoder's config.json",
        code="encoder.config-unusable",
        path=directory / "config.json",
        found=shorten(reason, 200),
        expected="settings that fit each other, of a model that has such a head",
        hint="copy config.json from the checkpoint again, or choose another encoder",
    )


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Without the report and the progress bar that transformers prints: what matters is raised."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
