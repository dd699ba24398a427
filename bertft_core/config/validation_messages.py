"""From pydantic's list of errors to one message that a user can act on."""

from collections.abc import Callable, Mapping
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
Source = Callable[[Path], Path]
"""A path in the study with the arms of its grids → where the user wrote it."""

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


def as_user_error(error: ValidationError, model: type[BaseModel], values: Any, where: Where, source: Source) -> UserError:
    """The first problem in full, unknown keys before all others, and the paths of further ones; each as it is written."""
    found = [_as_written(problem, source) for problem in _problems(error, model, values)]
    first, *others = sorted(found, key=lambda problem: problem.code not in WRONG_KEYS)
    path, line = where(first.path)
    names = list(dict.fromkeys(f"'{locations.dotted(problem.path)}'" for problem in others if problem.path != first.path))
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


def _as_written(problem: Problem, source: Source) -> Problem:
    """A problem of an arm that a grid has made, at the place that has made it."""
    path = source(problem.path)
    if path == problem.path:
        return problem
    text = problem.text.replace(locations.dotted(problem.path), locations.dotted(path))
    arm = f" (arm '{problem.path[1]}')" if problem.code == "config.settings-clash" else ""
    return replace(problem, path=path, text=text + arm)


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
            found.append(_no_member(ConfigLocation(path, None, union.members), locations.value_at(values, path)))
    return found


def _no_member(place: ConfigLocation, value: Any) -> Problem:
    """A value that is none of a union's members: a key of one of them may be misspelt."""
    problem = _not_valid(place, value)
    if not isinstance(value, Mapping) or not value:
        return problem
    needed = [key for kind in place.kinds for key in locations.needed_keys(kind)]
    for key in map(str, value):
        if (hint := did_you_mean(key, needed)) is not None:
            path = (*place.path, key)
            return replace(
                problem,
                path=path,
                text=f"unknown key '{locations.dotted(path)}'",
                found=key,
                hint=hint,
                code="config.unknown-key",
            )
    return replace(problem, found=f"a mapping with {', '.join(map(repr, value))}"[:MAX_SHOWN])


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
        known = {id(member): _n_keys(value, member) for member in choice.members}
        meant = max(known, key=lambda member: known[member])  # the first one of several
        return id(choice.member) == meant and known[meant] > (False, 0)
    return not detail["type"].endswith(("_type", "_parsing", "literal_error", "missing"))


def _n_keys(value: Mapping[str, Any], member: Any) -> tuple[bool, int]:
    """Whether a mapping has the keys that make it this member of a union, and how many keys it knows."""
    needed, known = locations.needed_keys(member), locations.keys(member)
    return bool(needed) and value.keys() >= set(needed), len(value.keys() & set(known))


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
    near = did_you_mean(str(value), locations.literals(place.kinds))
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
    above = place.path[:-1]
    alternatives = next(
        (choice.members for choice in place.choices if choice.path == above), locations.locate(above, model).kinds
    )
    others = [tag for kind in alternatives if key in locations.keys(kind) for tag in locations.tags(kind)]
    if others and (own := locations.tags(place.parent)):
        ((tag, name),) = own.items()
        text += f" with {name}: {tag}; it belongs to {name}: {' or '.join(others)}"
        hint = f"remove it, or set {locations.dotted((*place.path[:-1], name))}: {others[0]}"
    elif needed_here := locations.needed_keys(place.parent):
        others = [needed[0] for kind in alternatives if key in locations.keys(kind) and (needed := locations.needed_keys(kind))]
        if key in others:
            text, hint = f"{place.name}: {needed_here[0]} and {key} exclude each other", "keep one of them"
        elif others:
            text += f" with {needed_here[0]}; it belongs to {' or '.join(others)}"
            hint = "remove one of them"
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
        near = next((each for each in value if did_you_mean(each, [key])), None)
        hint = f"did you mean '{key}' instead of '{near}'?" if near else "add it"
        return Problem(path, f"missing key '{locations.dotted(path)}'", hint, code="config.missing-key", expected=expected)
    hint = did_you_mean(str(value[key]), known) or f"write {expected}"
    problem = Problem(path, f"'{locations.dotted(path)}' is not valid", hint, code="config.wrong-value")
    return replace(problem, found=_shown(value[key]), expected=expected)


def _not_valid(place: ConfigLocation, value: Any, expected: str | None = None, near: str | None = None) -> Problem:
    mapping = "a mapping" if value else "an empty mapping"
    found = "nothing" if value is None else mapping if isinstance(value, Mapping) else _shown(value)
    expected = expected or locations.expected(place.kinds)
    hint = "write {} for a mapping without keys" if value is None and "mapping" in expected else near or f"write {expected}"
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
