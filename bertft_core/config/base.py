"""The base of every config and record: frozen, complete, no unknown keys."""

import hashlib
import json
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
DELIMITER_PATTERN = r'^[^\r\n"]$'
SHA256_PATTERN = "^[0-9a-f]{64}$"
"""Names of studies, which are folders."""


CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
LARGEST = 2**31 - 1
"""Of a count that costs no memory by itself; what makes a list of its length has a smaller bound of its own."""


class Frozen(BaseModel):
    """An immutable pydantic model that rejects unknown keys and non-finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_boolean_as_number(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name, has_entries in _number_fields(cls).items():
                value = values.get(name)
                if isinstance(value, bool):
                    raise _boolean(name)
                if has_entries and isinstance(value, dict | list | tuple):
                    places = value if isinstance(value, dict) else range(len(value))
                    for place in places:
                        if isinstance(value[place], bool):
                            raise _boolean(name, place)
        return values


@cache
def _number_fields(model: type[BaseModel]) -> dict[str, bool]:
    """Keys that are numbers, or hold them (True): pydantic would read `true` as 1."""
    found = {}
    for name, field in model.model_fields.items():
        kinds = _kinds(field.annotation)
        if kinds & {int, float} and bool not in kinds:
            holds_models = any(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in kinds)
            found[field.alias or name] = bool(kinds & {dict, list, tuple}) and not holds_models
    return found


def _kinds(annotation: Any) -> set[Any]:
    """The types that an annotation is made of, such as {dict, str, float, NoneType} of `dict[str, float] | None`."""
    annotation = getattr(annotation, "__value__", annotation)
    inner = [_kinds(part) for part in get_args(annotation) if not isinstance(part, str)]
    return {get_origin(annotation) or annotation if isinstance(annotation, Hashable) else None}.union(*inner)


def _boolean(*at: int | str) -> PydanticCustomError:
    return PydanticCustomError("boolean_as_number", "a boolean where a number is meant", {"at": at})


def left_out_if(default: Any) -> Callable[[Any], bool]:
    """`exclude_if` of a newer setting: its default is not written, so that digests of older studies do not change."""
    return lambda value: bool(value == default)


def misplaced(at: tuple[int | str, ...], message: str, hint: str) -> PydanticCustomError:
    """An error for a validator to raise when the value to change is not the validated one but at `at` below it."""
    place = ".".join(map(str, at))
    return PydanticCustomError("misplaced", "{place}: {message}", {"at": at, "place": place, "message": message, "hint": hint})


def wrong_value(message: str, hint: str) -> PydanticCustomError:
    """An error for a validator to raise about the validated value itself."""
    return PydanticCustomError("value_error", "{message}", {"message": message, "hint": hint})


def canonical_json(value: Any) -> str:
    """JSON of plain values with sorted keys and no white space: equal values give equal text on every machine."""
    return CANONICAL.encode(value)


def digest_of(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
