"""From a YAML file and `--set` overrides to a `StudyConfig` or one clear message."""

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from bertft_core.config import yaml_text
from bertft_core.config.config_file import config_text
from bertft_core.config.data_settings import FileData
from bertft_core.config.encoder_choice import ignored_key
from bertft_core.config.errors import UserError
from bertft_core.config.grids import expand_grids, source_of
from bertft_core.config.locations import dotted, split
from bertft_core.config.overrides import apply_override
from bertft_core.config.paths import checked_path
from bertft_core.config.probe_settings import is_text_file
from bertft_core.config.ready_studies import config_path
from bertft_core.config.study_config import StudyConfig
from bertft_core.config.unused_settings import FROM_CONFIG
from bertft_core.config.validation_messages import Where, as_user_error

FILES_OF_DATA = (("data", "train"), ("data", "validation"), ("data", "test"), ("data", "out_of_domain", "*"))
OTHER_FILES = (
    ("data", "extra_train", "*"),
    ("encoder", "path"),
    ("arms", "*", "encoder", "path"),
    ("arms", "*", "data", "extra_train", "*"),
    ("arms", "*", "search", "space", "encoder.path", "choices", "*"),
    ("probes", "masked_lm", "text"),
    ("arms", "*", "strategies", "*", "text"),
    ("arms", "*", "search", "space", "strategies.replay.text", "choices", "*"),
)
"""Keys of a study whose value may be a path; `*` is any name or position."""


def load_study(path: str | Path, overrides: Sequence[str] = ()) -> StudyConfig:
    """Read one study from a file, or a ready one by its name; each override is `dotted.key=value`, the value in YAML.

    Relative data and encoder paths are resolved against the config file's folder.
    Raises `UserError` with file and line, or with the wrong `--set`, for an invalid study.
    """
    path = config_path(path)
    values, lines = yaml_text.read_yaml(config_text(path), str(path))
    return parse_study(values, overrides, path=str(path), lines=lines, base_dir=path.parent)


def parse_study(
    values: Any,
    overrides: Sequence[str] = (),
    *,
    path: str = "study",
    lines: Mapping[yaml_text.Path, int] | None = None,
    base_dir: Path | None = None,
) -> StudyConfig:
    """Validate plain values as a study; see `load_study`. Relative paths are resolved against `base_dir`; None keeps them."""
    if not isinstance(values, Mapping):
        raise UserError(
            "a study is a mapping of keys to values",
            code="config.no-mapping",
            path=path,
            line=1,
            found=type(values).__name__,
            expected="keys such as name, data and arms",
            hint="see configs/quickstart.yaml",
        )
    given = _plain(values)
    merged = copy.deepcopy(given)
    placed = [(apply_override(merged, override), override) for override in overrides]
    if (ignored := ignored_key(merged, [at for at, _ in placed])) is not None:
        wrote = [override for at, override in placed if ignored[: len(at)] == at]
        place = (f"--set {wrote[-1]}", None) if wrote else (path, _line(ignored, lines or {}))
        raise _two_encoders(merged["encoder"], ignored, *place)

    def where(at: yaml_text.Path) -> tuple[str, int | None]:
        at = source_of(merged, at)
        blamed = _blamed(at, placed, given)
        return (" ".join(f"--set {override}" for override in blamed), None) if blamed else (path, _line(at, lines or {}))

    try:
        study = StudyConfig.model_validate(merged, context=FROM_CONFIG)
    except ValidationError as error:
        raise as_user_error(error, StudyConfig, _expanded(merged), where, partial(source_of, merged)) from None
    return (
        study if base_dir is None else _with_absolute_paths(study, checked_path(base_dir, "the config's folder").resolve(), where)
    )


def _expanded(values: Any) -> Any:
    try:
        return expand_grids(values)
    except PydanticCustomError:  # it is what is reported
        return values


def _two_encoders(encoder: dict[str, Any], ignored: yaml_text.Path, path: str, line: int | None) -> UserError:
    return UserError(
        f"the encoder has a path, so '{ignored[-1]}' would be ignored",
        code="encoder.path-and-hub",
        path=path,
        line=line,
        found=f"path: {encoder['path']} and {ignored[-1]}: {encoder[str(ignored[-1])]}",
        expected="either a folder or a hub checkpoint with its revision",
        hint=f"remove encoder.{ignored[-1]} or encoder.path",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _blamed(at: yaml_text.Path, placed: Sequence[tuple[yaml_text.Path, str]], given: Any) -> list[str]:
    """The overrides that cause an error: the last one for that path; else, if the file alone is valid, those that break it."""
    wrote = [override for path, override in placed if split(at)[: len(split(path))] == split(path)]
    if wrote or not placed or not _is_valid(given, []):
        return wrote[-1:]
    overrides = [override for _, override in placed]
    breaking = [override for n, override in enumerate(overrides) if _is_valid(given, overrides[:n] + overrides[n + 1 :])]
    return breaking or overrides


def _is_valid(given: Any, overrides: Sequence[str]) -> bool:
    values = copy.deepcopy(given)
    try:
        for override in overrides:
            apply_override(values, override)
        StudyConfig.model_validate(values, context=FROM_CONFIG)
    except (UserError, ValidationError):
        return False
    return True


def _line(at: yaml_text.Path, lines: Mapping[yaml_text.Path, int]) -> int | None:
    """The line of a path, or of its nearest parent; a dotted key may also be written nested."""
    known = [path[:n] for path in (at, split(at)) for n in range(len(path) + 1) if path[:n] in lines]
    return lines[max(known, key=lambda path: len(split(path)))] if known else None


def with_paths(study: StudyConfig, new: Callable[[str, yaml_text.Path], str]) -> StudyConfig:
    """The study with `new(value, key)` in place of every value that names a file or a folder; unchecked."""

    def changed(value: str, at: yaml_text.Path) -> str:
        names_a_text = at[-1] == "text" or "strategies.replay.text" in at
        return value if names_a_text and not is_text_file(value) else new(value, at)

    for keys in (*(FILES_OF_DATA if isinstance(study.data, FileData) else ()), *OTHER_FILES):
        study = _replaced(study, keys, changed)
    return study


def _with_absolute_paths(study: StudyConfig, base_dir: Path, where: Where) -> StudyConfig:
    def absolute(value: str, at: yaml_text.Path) -> str:
        source, line = where(at)
        return str(checked_path(base_dir / checked_path(value, dotted(at), path=source, line=line), dotted(at)))

    return with_paths(study, absolute)


def _replaced(part: Any, keys: Sequence[str], new: Callable[[str, yaml_text.Path], str], at: yaml_text.Path = ()) -> Any:
    """A part of a study in which the text at these keys, of every entry of a mapping or list for `*`, is replaced if given."""
    if part is None or not keys:
        return None if part is None else new(part, at)
    if isinstance(part, Mapping):
        return {
            name: _replaced(value, keys[1:], new, (*at, name)) if keys[0] in ("*", name) else value
            for name, value in part.items()
        }
    if isinstance(part, tuple):
        return tuple(_replaced(value, keys[1:], new, (*at, i)) for i, value in enumerate(part))
    value = getattr(part, keys[0], None)  # one of several strategies may have it
    return part if value is None else part.model_copy(update={keys[0]: _replaced(value, keys[1:], new, (*at, keys[0]))})
