"""From pydantic's list of errors to one message that a user can act on."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError

from bertft_core.config import locations
from bertft_core.config.base import DELIMITER_PATTERN, NAME_PATTERN, SHA256_PATTERN
from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.config.locations import ConfigLocation, UnionChoice
from bertft_core.config.yaml_text import Path

Where = Callable[[Path], tuple[str, int | None]]
"""A path in the study → the file and line, or the `--set`, that wrote it."""

SMALLER, LARGER = "make it smaller", "make it larger"
BOUNDS = {"less_than": SMALLER, "less_than_equal": SMALLER, "greater_than": LARGER, "greater_than_equal": LARGER}
PATTERNS = {
    NAME_PATTERN: ("letters, digits, '.', '_' and '-', at most 100, the first a letter or digit", "choose another name"),
    DELIMITER_PATTERN: ("one character, no quote and no line end", 'write one character, such as ";" or "\\t"'),
    SHA256_PATTERN: ("64 digits of hexadecimal, in lower case", "copy it from the record of a run, or remove it"),
}
"""Pattern of a text → what it demands, and what to do."""
WRONG_KEYS = ("config.unknown-key", "config.shared-by-arms")
MAX_OTHERS = 3
MAX_SHOWN = 100


@dataclass(frozen=True)
class Problem:
    """One thing to fix."""

    path: Path
    text: str
    hint: str
    code: str
    found: str | None = None
    expected: str | None = None


def as_user_error(error: ValidationError, model: type[BaseModel], values: Any, where: Where) -> UserError:
    """The first problem in full, unknown keys before all others, and the paths of further ones."""
    first, *others = sorted(_problems(error, model, values), key=lambda problem: problem.code not in WRONG_KEYS)
    path, line = where(first.path)
    names = list(dict.fromkeys(f"'{locations.dotted(problem.path)}'" for problem in others))
    more = f"{' Then' if first.hint.endswith('?') else '; then'} fix {', '.join(names[:MAX_OTHERS])}" if names else ""
    more += f" and {len(names) - MAX_OTHERS} more" if len(names) > MAX_OTHERS else ""
    return UserError(
        first.text,
        code=first.code,
        path=path,
        line=line,
        found=first.found,
        expected=first.expected,
        hint=first.hint + more,
    )


def _problems(error: ValidationError, model: type[BaseModel], values: Any) -> list[Problem]:
    """Every problem once: of a union only the intended member, of a container only the errors inside it."""
    found: list[Problem] = []
    unions: dict[Path, UnionChoice] = {}
    for detail in map(_at_its_key, error.errors(include_url=False)):
        if detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            continue  # too short only because items inside it are invalid
        place = locations.locate(detail["loc"], model)
        other = next((choice for choice in place.choices if not _is_intended(choice, place, detail, values)), None)
        if other is not None:
            unions.setdefault(other.path, other)
        elif not any(_is_below(problem.path, place.path) for problem in found):
            found.append(_problem(place, detail, values, model))
    reported = [problem.path for problem in found]
    for path, union in sorted(unions.items(), key=lambda item: -len(item[0])):
        if not any(_is_below(other, path) for other in reported):
            reported.append(path)
            found.append(_not_valid(ConfigLocation(path, None, union.members), locations.value_at(values, path)))
    return found


def _at_its_key(detail: Any) -> Any:
    """A boolean where a number is meant is found by the mapping that it is in; it is an error of its key, as other types are."""
    if detail["type"] != "boolean_as_number":
        return detail
    value = detail["input"]
    for key in detail["ctx"]["at"]:
        value = value[key]
    return {**detail, "type": "int_type", "loc": (*detail["loc"], *detail["ctx"]["at"]), "input": value}


def _is_below(path: Path, other: Path) -> bool:
    return path[: len(other)] == other


def _is_intended(choice: UnionChoice, place: ConfigLocation, detail: Any, values: Any) -> bool:
    """Whether the user meant this member of a union: it has most of the keys, or only a limit is exceeded."""
    value = locations.value_at(values, choice.path)
    if isinstance(value, Mapping):
        if get_origin(choice.member) is dict and detail["loc"][-1] in value:
            return True  # a value of a mapping with keys of the user's own
        known = {id(member): len(value.keys() & set(locations.keys(member))) for member in choice.members}
        return known.get(id(choice.member), 0) == max(known.values()) > 0
    return not detail["type"].endswith(("_type", "_parsing", "literal_error", "missing"))


def _problem(place: ConfigLocation, detail: Any, values: Any, model: type[BaseModel]) -> Problem:
    kind, context, value = detail["type"], detail.get("ctx", {}), detail.get("input")
    if kind == "extra_forbidden":
        return _shared_by_arms(place) if _is_shared(place, model) else _unknown_key(place, model)
    if kind == "missing":
        expected = locations.expected(place.kinds)
        return Problem(place.path, f"missing key '{place.name}'", "add it", code="config.missing-key", expected=expected)
    if kind.startswith("union_tag"):
        return _wrong_tag(place, context["discriminator"].strip("'"), values)
    if kind == "misplaced":
        path = (*place.path, *context["at"])
        return Problem(path, f"{locations.dotted(path)}: {context['message']}", context["hint"], code="config.settings-clash")
    if kind == "value_error":
        return Problem(
            place.path,
            f"{place.name}: {detail['msg'].removeprefix('Value error, ')}",
            context["hint"],
            code="config.wrong-value",
        )
    if kind.endswith(("_type", "_parsing")):
        return _not_valid(place, value)
    if kind == "too_short":
        n = context["min_length"]
        problem = _not_valid(place, value, f"at least {n} {'entry' if n == 1 else 'entries'}")
        return replace(problem, hint="add what is missing", code="config.out-of-bounds")
    if kind == "too_long":
        problem = _not_valid(place, value, f"at most {context['max_length']} entries")
        return replace(problem, hint=f"keep {context['max_length']} of them", code="config.out-of-bounds")
    if kind == "string_pattern_mismatch":
        expected, hint = PATTERNS[context["pattern"]]
        return replace(_not_valid(place, value, expected), hint=hint, code="config.wrong-value")
    near = difflib.get_close_matches(str(value), locations.literals(place.kinds), n=1)
    problem = _not_valid(place, value, detail["msg"].removeprefix("Input should be "), near)
    if kind in BOUNDS:
        return replace(problem, hint=BOUNDS[kind], code="config.out-of-bounds")
    return replace(problem, code="config.wrong-value")


def _is_shared(place: ConfigLocation, model: type[BaseModel]) -> bool:
    """Whether an arm names a setting that only the whole study has."""
    below = place.path[2:]
    if place.path[:1] != ("arms",) or not below:
        return False
    return any(below[-1] in locations.keys(kind) for kind in locations.locate(below[:-1], model).kinds)


def _shared_by_arms(place: ConfigLocation) -> Problem:
    known = locations.keys(place.parent)
    return Problem(
        place.path,
        f"{place.name}: an arm cannot change it; all arms share the task, the seeds, and the examples that they are scored on",
        f"set {locations.dotted(place.path[2:])} for the whole study, or make a study of its own and use bertft compare",
        found=str(place.path[-1]),
        expected=f"one of {', '.join(known)}",
        code="config.shared-by-arms",
    )


def _unknown_key(place: ConfigLocation, model: type[BaseModel]) -> Problem:
    key, known = str(place.path[-1]), locations.keys(place.parent)
    section = locations.sections_with_key(place.parent, key)[:1]
    hint = f"did you mean '{section[0]}'?" if section else did_you_mean(key, known) or "correct it or remove it"
    text = f"unknown key '{place.name}'"
    alternatives = locations.locate(place.path[:-1], model).kinds
    others = [tag for kind in alternatives if key in locations.keys(kind) for tag in locations.tags(kind)]
    if others and (own := locations.tags(place.parent)):
        ((tag, name),) = own.items()
        text += f" with {name}: {tag}; it belongs to {name}: {' or '.join(others)}"
        hint = f"remove it, or set {locations.dotted((*place.path[:-1], name))}: {others[0]}"
    return Problem(
        place.path,
        text,
        hint,
        found=key,
        expected=f"one of {', '.join(known)}" if known else "no keys",
        code="config.unknown-key",
    )


def _wrong_tag(place: ConfigLocation, key: str, values: Any) -> Problem:
    """The discriminator key of a mapping is missing or has an unknown value."""
    value = locations.value_at(values, place.path)
    known = [tag for kind in place.kinds for tag in locations.tags(kind)]
    if isinstance(value, str):  # `head: classification` is short for a mapping with nothing but the key
        value = {key: value}
    path, expected = (*place.path, key), f"one of {', '.join(known)}"
    if value.get(key) is None:
        near = difflib.get_close_matches(key, list(value), n=1)
        hint = f"did you mean '{key}' instead of '{near[0]}'?" if near else "add it"
        return Problem(path, f"missing key '{locations.dotted(path)}'", hint, code="config.missing-key", expected=expected)
    near = difflib.get_close_matches(str(value[key]), known, n=1)
    problem = Problem(path, f"'{locations.dotted(path)}' is not valid", _hint(near, expected), code="config.wrong-value")
    return replace(problem, found=_shown(value[key]), expected=expected)


def _not_valid(place: ConfigLocation, value: Any, expected: str | None = None, near: Iterable[str] = ()) -> Problem:
    mapping = "a mapping" if value else "an empty mapping"
    found = "nothing" if value is None else mapping if isinstance(value, Mapping) else _shown(value)
    expected = expected or locations.expected(place.kinds)
    hint = "write {} for a mapping without keys" if value is None and "mapping" in expected else _hint(list(near), expected)
    if str in place.kinds and float in place.kinds:  # one of the values to choose from
        hint = "write a number or a name, or remove it"
    elif str in place.kinds and isinstance(value, bool | int | float):
        hint = "put it in quotes, so that it stays the text that is written"
    elif str in place.kinds and value is None:
        hint = "write a text (the word null itself in quotes), or remove the key"
    return Problem(place.path, f"'{place.name}' is not valid", hint, code="config.wrong-type", found=found, expected=expected)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _hint(near: list[str], expected: str) -> str:
    return f"did you mean '{near[0]}'?" if near else f"write {expected}"
