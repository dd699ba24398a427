"""The settings of an arm by dotted keys, in plain values: `learning_rate`, `head.crf`, `strategies.llrd.decay`."""

from collections.abc import Mapping
from typing import Any

EVERYTHING = {"kind": "full"}
"""The strategy of an arm that has no other."""


def is_given(arm: Mapping[str, Any], key: str) -> bool:
    """Whether the arm itself names the setting."""
    at: Any = arm
    for part in key.split("."):
        if isinstance(at, list | tuple):
            at = next((each for each in at if isinstance(each, Mapping) and each.get("kind") == part), None)
        else:
            at = at.get(part) if isinstance(at, Mapping) else None
    return at is not None


def set_setting(arm: dict[str, Any], key: str, value: Any) -> None:
    """Set a setting in place.

    `strategies.KIND.SETTING` adds the strategy where the arm has none; `strategies.KIND` true adds it, a mapping adds it with
    these settings, and false or null leaves it out.
    """
    parts = key.split(".")
    if parts[0] != "strategies" or len(parts) == 1:
        _nested(arm, parts, value)
        return
    listed = [dict(each) for each in arm.get("strategies") or () if isinstance(each, Mapping)]
    known = next((each for each in listed if each.get("kind") == parts[1]), None)
    if known is None:
        listed = [] if listed == [EVERYTHING] else listed  # it says that there is no other
        listed.append(known := {"kind": parts[1]})
    if len(parts) > 2:
        _nested(known, parts[2:], value)
    elif value is None or value is False:
        listed.remove(known)
    elif isinstance(value, Mapping):
        known |= value
    arm["strategies"] = listed or [dict(EVERYTHING)]


def _nested(at: dict[str, Any], parts: list[str], value: Any) -> None:
    for part in parts[:-1]:
        below = at.get(part)
        at[part] = dict(below) if isinstance(below, Mapping) else {}
        at = at[part]
    at[parts[-1]] = value
