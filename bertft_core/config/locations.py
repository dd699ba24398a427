"""Where in a study an error is: pydantic's locations without union tags, and which types are valid there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from bertft_core.config.yaml_text import Path

SCALARS = {str: "a string", int: "an integer", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class UnionChoice:
    """A union that pydantic tried member by member: its path, its members, and the member an error is about."""

    path: Path
    members: tuple[Any, ...]
    member: Any


@dataclass(frozen=True)
class ConfigLocation:
    """A path in the user's file and the types that a value may have there (several for a union, without null)."""

    path: Path
    parent: Any
    """The type that holds the last key of the path."""
    kinds: tuple[Any, ...]
    choices: tuple[UnionChoice, ...] = ()

    @property
    def name(self) -> str:
        return dotted(self.path)


def dotted(path: Path) -> str:
    """`arms.full.strategies[0].kind`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") or "the study"


def locate(location: tuple[int | str, ...], model: type[BaseModel]) -> ConfigLocation:
    """The path that a pydantic location below a model means, without the names of union members."""
    path: Path = ()
    parent: Any = None
    kinds: tuple[Any, ...] = (model,)
    choices: list[UnionChoice] = []
    for part in location:
        if len(kinds) > 1:
            tagged = [kind for kind in kinds if part in tags(kind)]
            named = tagged or [kind for kind in kinds if _is_named(kind, str(part))] or [Any]
            if not tagged:
                choices.append(UnionChoice(path, kinds, named[0]))
            kinds = (named[0],)
        else:
            path, parent = (*path, part), kinds[0]
            kinds = _alternatives(_inside(parent, part))
    return ConfigLocation(path, parent, kinds, tuple(choices))


def value_at(values: Any, path: Path) -> Any:
    """What the user wrote at a path, or None."""
    for part in path:
        if isinstance(values, Mapping):
            whole = part in values or "." not in str(part)
            values = values.get(part) if whole else value_at(values, split((part,)))
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return None
    return values


def split(path: Path) -> Path:
    """The path with dotted keys, such as `strategies.llrd.decay`, in their parts."""
    return tuple(each for part in path for each in (part.split(".") if isinstance(part, str) else (part,)))


def keys(kind: Any) -> list[str]:
    """The keys of a mapping of this type; none where every key is allowed."""
    return list(kind.model_fields) if _is_model(kind) else []


def needed_keys(kind: Any) -> list[str]:
    """The keys that a mapping of this type must have."""
    return [name for name, field in kind.model_fields.items() if field.is_required()] if _is_model(kind) else []


def tags(kind: Any) -> dict[str, str]:
    """Discriminator of a model in a tagged union: value → key, such as {'bundled': 'source'}."""
    fields = kind.model_fields if _is_model(kind) else {}
    return {tag: key for key in ("source", "kind") if key in fields for tag in get_args(fields[key].annotation)}


def sections_with_key(kind: Any, key: str) -> list[str]:
    """The sections of a model that have a key, as `section.key`."""
    fields = kind.model_fields if _is_model(kind) else {}
    inner = {name: _alternatives(field.annotation) for name, field in fields.items()}
    return [f"{name}.{key}" for name, kinds in inner.items() if len(kinds) == 1 and key in keys(kinds[0])]


def expected(kinds: tuple[Any, ...]) -> str:
    """The types that are valid at a path, in YAML terms."""
    known = {tag: key for kind in kinds for tag, key in tags(kind).items()}
    if len(kinds) > 1 and len(known) == len(kinds):
        *most, last = known
        (key,) = set(known.values())
        return f"a mapping with {key}: {', '.join(most)} or {last}"
    return " or ".join(map(_described, kinds))


def _described(kind: Any) -> str:
    kind = _bare(kind)
    if get_origin(kind) is Literal:
        return ", ".join(map(repr, get_args(kind)))
    if _is_model(kind):
        tag = next((f"{key}: {tag}" for tag, key in tags(kind).items()), None)
        needed = [tag] if tag else [f"'{name}'" for name in needed_keys(kind)]
        return "a mapping" + (f" with {', '.join(needed)}" if needed else "")
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        return "a list" if Ellipsis in inner else f"a list of {len(inner)}"
    return SCALARS.get(kind, "a mapping" if get_origin(kind) is dict else "another value")


def literals(kinds: tuple[Any, ...]) -> list[str]:
    """The strings that a path accepts."""
    return [value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind) if isinstance(value, str)]


def _bare(kind: Any) -> Any:
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The members of a union without null; any other type alone."""
    kind = _bare(kind)
    if get_origin(kind) not in (Union, UnionType):
        return (kind,)
    members = tuple(_bare(member) for member in get_args(kind) if member is not NoneType)
    return _alternatives(members[0]) if len(members) == 1 else members


def _inside(kind: Any, part: int | str) -> Any:
    """The type of a key or an item."""
    if _is_model(kind):
        field = kind.model_fields.get(str(part))
        return Any if field is None else field.annotation
    inner = get_args(kind)
    if get_origin(kind) is dict:
        return inner[1]
    if get_origin(kind) is tuple and isinstance(part, int):
        return inner[0] if Ellipsis in inner else inner[min(part, len(inner) - 1)]
    return Any


def _is_named(kind: Any, tag: str) -> bool:
    """Whether a tag such as `Choices`, `function-after[_ordered(), Range]` or `constrained-int` names this type."""
    name = "literal" if get_origin(kind) is Literal else (get_origin(kind) or kind).__name__
    return re.search(rf"\b{name}\b", tag) is not None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
