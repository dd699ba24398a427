"""From a YAML file and `--set` overrides to a `StudyConfig`, or one clear message."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from bertft_core.config import yaml_text
from bertft_core.config.data import DataConfig, FileData
from bertft_core.config.errors import UserError
from bertft_core.config.study import StudyConfig

INSERTED_LOCATIONS = frozenset({"bundled", "files", "hub", "full", "feature_extraction", "Range", "Choices"})


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> StudyConfig:
    """Read one study; each override is `dotted.key=value`, the value in YAML.

    Relative data and encoder paths are taken from the config file's folder.
    Raises `UserError` with file and line for anything that is no valid study.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "this config cannot be read", path=path, found=str(error), expected="a YAML file in UTF-8", todo="check the path"
        ) from None
    values, lines = yaml_text.read_yaml(text, str(path))
    return parse_study(values, overrides, path=str(path), lines=lines, base_dir=path.parent)


def parse_study(
    values: Any,
    overrides: Sequence[str] = (),
    *,
    path: str = "study",
    lines: Mapping[yaml_text.Path, int] | None = None,
    base_dir: Path | None = None,
) -> StudyConfig:
    """Validate plain values as a study; see `load_study`. `base_dir` is what relative paths start from (default: as they are)."""
    lines = dict(lines or {})
    if not isinstance(values, Mapping):
        raise UserError("a study is a mapping of keys to values", path=path, line=1, found=type(values).__name__)
    merged = _plain(values)
    for override in overrides:
        _apply(merged, override, lines)
    try:
        study = StudyConfig.model_validate(merged)
    except ValidationError as error:
        raise _explained(error, merged, path, lines) from None
    return study if base_dir is None else _with_absolute_paths(study, base_dir.resolve())


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _apply(values: dict[str, Any], override: str, lines: dict[yaml_text.Path, int]) -> None:
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise UserError(
            "an override is KEY=VALUE", path="--set", found=override, expected="something like arms.full.learning_rate=3e-5"
        )
    try:
        value = yaml_text.read_value(text)
    except Exception as error:  # PyYAML raises many kinds; all mean the same to the user
        raise UserError("this value is no YAML", path="--set", found=override, expected=str(error).splitlines()[0]) from None
    at: Any = values
    for part in parts[:-1]:
        at = _step(at, part, override, create=True)
    last = parts[-1]
    if isinstance(at, list):
        _step(at, last, override, create=False)
        at[int(last)] = value
    else:
        at[last] = value
    for depth in range(1, len(parts) + 1):  # an overridden key has no line of its own in the file
        lines.pop(tuple(parts[:depth]), None)


def _step(at: Any, part: str, override: str, *, create: bool) -> Any:
    if isinstance(at, dict):
        if create and at.get(part) is None:
            at[part] = {}
        return at[part]
    if isinstance(at, list) and part.isdigit() and int(part) < len(at):
        return at[int(part)]
    raise UserError(f"'{part}' is no place in the config", path="--set", found=override, expected="keys joined by dots")


def _explained(error: ValidationError, values: Any, path: str, lines: Mapping[yaml_text.Path, int]) -> UserError:
    first, *others = error.errors(include_url=False)
    at = _real_location(first["loc"], values)
    line = next((lines[at[:n]] for n in range(len(at), 0, -1) if at[:n] in lines), lines.get(()))
    name = ".".join(map(str, at)) or "the study"
    more = f"; {len(others)} more problem(s) after this one" if others else ""
    if first["type"] == "extra_forbidden":
        known = _keys_at(at[:-1], values)
        near = difflib.get_close_matches(str(at[-1]), known, n=1, cutoff=0.0)
        return UserError(
            f"unknown key '{name}'",
            path=path,
            line=line,
            found=str(at[-1]),
            expected=f"one of {', '.join(known)}" if known else None,
            todo=(f"did you mean '{near[0]}'?" if near else "remove it") + more,
        )
    if first["type"] == "missing":
        return UserError(
            f"the key '{name}' is missing", path=path, line=line, expected=f"'{name}' to be given", todo="add it" + more
        )
    message = first["msg"].removeprefix("Value error, ")
    found = None if isinstance(first.get("input"), (dict, list)) else repr(first.get("input"))
    return UserError(f"'{name}' is not valid", path=path, line=line, found=found, expected=message, todo="change it" + more)


def _real_location(location: tuple[int | str, ...], values: Any) -> yaml_text.Path:
    """A pydantic location without the union tags it puts in between."""
    real: list[int | str] = []
    at = values
    for n, part in enumerate(location):
        last = n == len(location) - 1
        inside = (isinstance(at, dict) and part in at) or (isinstance(at, list) and isinstance(part, int) and part < len(at))
        if inside:
            real.append(part)
            at = at[part]
        elif last and part not in INSERTED_LOCATIONS:
            real.append(part)
    return tuple(real)


def _keys_at(at: yaml_text.Path, values: Any) -> list[str]:
    """The keys that are valid at a place, found by walking the model beside the values."""
    model: Any = StudyConfig
    for part in at:
        values = values[part] if isinstance(values, (dict, list)) else None
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(str(part))
            model = field.annotation if field is not None else None
        model = _model_in(model, values)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_in(annotation: Any, values: Any) -> Any:
    """The model inside an annotation that the values seem to mean; containers are entered step by step."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    candidates = [_model_in(item, values) for item in get_args(annotation)]
    models = [item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)]
    for model in models:
        for tag in ("source", "kind"):
            field = model.model_fields.get(tag)
            if field is not None and isinstance(values, dict) and values.get(tag) in get_args(field.annotation):
                return model
    return models[0] if models else annotation


def _with_absolute_paths(study: StudyConfig, base_dir: Path) -> StudyConfig:
    def absolute(value: str) -> str:
        return str(base_dir / Path(value).expanduser())

    data: DataConfig = study.data
    if isinstance(data, FileData):
        extra = {name: absolute(value) for name, value in data.out_of_domain.items()}
        changed: dict[str, Any] = {"train": absolute(data.train), "out_of_domain": extra}
        changed |= {name: absolute(value) for name in ("validation", "test") if (value := getattr(data, name)) is not None}
        data = data.model_copy(update=changed)
    encoder = study.encoder
    if encoder.path is not None:
        encoder = encoder.model_copy(update={"path": absolute(encoder.path)})
    return study.model_copy(update={"data": data, "encoder": encoder})
