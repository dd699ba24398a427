"""Every key of a study with its default, from the configuration classes: what the configuration guide must say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bertft_core.config import StudyConfig
from bertft_core.config.optional_settings import Overrides

SECTION = "section"
"""Stands for the default of a key that holds keys of its own."""


def study_keys(model: type[BaseModel] = StudyConfig, prefix: str = "") -> set[tuple[str, str]]:
    """Pairs of dotted key and default; `*` stands for a name of the user's own, `[]` for an item of a list.

    The default is YAML, 'required' or 'section'. A key that two members of a union have with other defaults is there twice.
    Overrides are not repeated: they are the keys of `training`, `encoder`, `head` and `data`.
    """
    found = set()
    repeated = model.overridable if issubclass(model, Overrides) else ()
    for name, field in model.model_fields.items():
        if name in repeated:
            continue
        parts = list(models_in(field.annotation))
        found.add((f"{prefix}{name}", _default(field, bool(parts))))
        for step, part in parts:
            found |= study_keys(part, f"{prefix}{name}{step}.")
    return found


def models_in(kind: Any, step: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """The models in a type, each with the step into the container that holds it."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield step, kind
        return
    step += {dict: ".*", tuple: "[]"}.get(get_origin(kind), "")  # type: ignore[call-overload]
    for part in get_args(kind):
        yield from models_in(part, step)


def _default(field: FieldInfo, has_keys: bool) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if has_keys and value is not None and not isinstance(value, str):
        return SECTION
    text = json.dumps(value)
    is_symbol = isinstance(value, str) and value and not value[0].isalnum()  # YAML needs the quotes round a comma
    return text if is_symbol else text.replace('"', "")
