"""An encoder's config.json: read and refused where no model can be made of it, before anything else looks at it."""

import json
from pathlib import Path
from typing import Any

from bertft_core.config.base import digest_of
from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.config.head_settings import EXTRA_PARTS, part_file
from bertft_core.data.examples import shorten
from bertft_core.storage.foreign_content import foreign_content
from bertft_core.storage.study_dir import file_sha256

FILE = "config.json"
COUNTS = ("num_labels", "num_hidden_layers", "n_layers", "num_layers")
"""Sizes that transformers counts up to: a huge one would keep it busy without end."""
MOST = 100_000
WHOLE = (
    *COUNTS,
    "type_vocab_size",
    "max_position_embeddings",
    "vocab_size",
    "hidden_size",
    "dim",
    "num_attention_heads",
    "n_heads",
)
"""Settings that are read here as whole numbers, before transformers looks at them; null is as good as absent."""
NAMES_ONLY = frozenset(
    {
        "_name_or_path", "_commit_hash", "architectures", "transformers_version", "finetuning_task", "problem_type",
        "id2label", "label2id", "num_labels", "dtype", "torch_dtype",
    }
)  # fmt: skip
"""Settings that are names, that the head sets, or that only say how the weights are stored (all are trained in float32)."""
EXPECTED = "the config.json that transformers saved with the model"
HINT = "copy config.json from the checkpoint again, or save the model with save_pretrained"


def read_settings(directory: Path) -> dict[str, Any]:
    """The model's settings. Raises `UserError` for a file that is missing or not a JSON object that names a `model_type`."""
    path = directory / FILE
    settings = read_json_object(path, code="encoder.config-damaged", expected=EXPECTED, hint=HINT)
    model_type = settings.get("model_type")
    if not isinstance(model_type, str) or not model_type:
        found = "no model_type" if model_type is None else f"model_type: {shorten(json.dumps(model_type), 60)}"
        raise _refusal(path, "the encoder's config.json does not say which model it is", found, code="encoder.model-type-missing")
    for name in WHOLE:
        value = settings.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            found = f"{name}: {shorten(json.dumps(value), 60)}"
            raise _refusal(path, f"the encoder's config.json has an impossible {name}", found, code="encoder.size-impossible")
    return settings


def settings_digest(directory: Path) -> str:
    """SHA-256 of what decides, beside the weights, what the model computes: its settings, and extra parts of a head.

    Raises `UserError` as `read_settings`.
    """
    settings = {name: value for name, value in read_settings(directory).items() if name not in NAMES_ONLY}
    parts = {name: file_sha256(path) for name in EXTRA_PARTS if (path := directory / part_file(name)).is_file()}
    return digest_of({"settings": settings, "crf": None} | parts)  # older records know of an absent CRF, and of no other part


def read_json_object(path: Path, *, code: str, expected: str, hint: str) -> dict[str, Any]:
    """What a JSON file of a model holds. Raises `UserError` for one that cannot be read or is no JSON object."""
    line = None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = None if isinstance(values, dict) else f"a JSON {_kind(values)}"
    except json.JSONDecodeError as error:
        foreign = foreign_content(path)
        values, found, line = None, foreign or f"no JSON: {error.msg}", None if foreign else error.lineno
    except (UnicodeDecodeError, RecursionError):
        values, found = None, foreign_content(path) or "no JSON text in UTF-8"
    except OSError as error:
        values, found = None, error.strerror or str(error)
    if found is not None:
        raise UserError(
            f"the encoder's {path.name} cannot be read",
            code=code,
            path=path,
            line=line,
            found=found,
            expected=expected,
            hint=hint,
        )
    return values  # type: ignore[no-any-return]


def refuse_unusable(directory: Path, settings: dict[str, Any], n_tensors: int) -> None:
    """Raise `UserError` for settings of a model that needs code of its own, is quantised, unknown, or of an impossible size.

    `n_tensors` is the number of tensors in its files; a model has no more layers than tensors, unless layers share weights.
    """
    path, model_type = directory / FILE, settings["model_type"]
    if settings.get("auto_map"):
        found = f"auto_map: {shorten(json.dumps(settings['auto_map']), 120)}"
        raise _refusal(
            path, "the encoder needs code of its own, which is never run", found, OTHER_MODEL, code="encoder.remote-code"
        )
    if settings.get("quantization_config"):
        raise _refusal(path, "the encoder is quantised", "quantization_config", OTHER_WEIGHTS, code="encoder.quantised")
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES  # slow

    if model_type not in CONFIG_MAPPING_NAMES:
        hint = did_you_mean(model_type, CONFIG_MAPPING_NAMES) or OTHER_MODEL
        found = f"model_type: {shorten(model_type, 60)}"
        raise _refusal(path, "transformers does not know this model type", found, hint, code="encoder.model-type-unknown")
    for name in COUNTS:
        value = settings.get(name)
        most = MOST if name == "num_labels" else max(n_tensors, 100)
        if value is not None and not 0 <= value <= most:
            found = f"{name}: {shorten(json.dumps(value), 60)}, and {n_tensors} tensors in the weights"
            raise _refusal(path, f"the encoder's config.json has an impossible {name}", found, code="encoder.size-impossible")


OTHER_MODEL = "use a checkpoint whose class is part of transformers, such as one of the type bert or roberta"
OTHER_WEIGHTS = "use the checkpoint with its original weights (float32, float16 or bfloat16)"


def _refusal(path: Path, problem: str, found: str, hint: str = HINT, *, code: str) -> UserError:
    return UserError(problem, code=code, path=path, found=found, expected=EXPECTED, hint=hint)


def _kind(value: object) -> str:
    names = {list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null")
