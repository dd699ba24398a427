"""The base of every config and record: frozen, complete, no unknown keys."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""Names of studies, which are folders."""


LARGEST = 2**31 - 1
"""Of a count that costs no memory by itself; what makes a list of its length has a smaller bound of its own."""


class Frozen(BaseModel):
    """An immutable pydantic model that rejects unknown keys and non-finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def left_out_if(default: Any) -> Callable[[Any], bool]:
    """`exclude_if` of a newer setting: its default is not written, so that digests of older studies do not change."""
    return lambda value: bool(value == default)


def misplaced(at: tuple[int | str, ...], message: str, hint: str = "change it") -> PydanticCustomError:
    """An error for a validator to raise when the value to change is not the validated one but at `at` below it."""
    place = ".".join(map(str, at))
    return PydanticCustomError("misplaced", "{place}: {message}", {"at": at, "place": place, "message": message, "hint": hint})


def canonical_json(value: Any) -> str:
    """JSON of plain values with sorted keys and no white space: equal values give equal text on every machine."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(value: Any) -> str:
    """SHA-256 (hex) of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
