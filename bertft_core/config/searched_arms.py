"""Checks of a search over strategies, encoder, head and data: every arm that it can make is one that a study can have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from bertft_core.config.base import misplaced
from bertft_core.config.search_space import Range, Settings, Space, is_switch, tried_settings
from bertft_core.config.study_sections import ArmConfig, StudySections
from bertft_core.config.training_settings import TrainingConfig
from bertft_core.config.yaml_text import Path


def check_searched_arms(study: StudySections, name: str, check: Callable[[StudySections, str], None]) -> None:
    """Raise a pydantic error for the first setting that the search of an arm can choose and an arm cannot have.

    `check` does that for a study, with the arm's name; each end and choice is tried, alone and two at a time.
    """
    search = study.arms[name].search
    space = {} if search is None else {key: part for key, part in search.space.items() if key not in TrainingConfig.model_fields}
    at = ("arms", name, "search", "space")
    for settings, varied in tried_settings(space) if space else ():
        try:
            candidate = study.decided({name: settings})
            _check_unchanged(candidate.arms[name], space, settings, varied, at)
            check(candidate, name)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise _refusal(settings, varied, at, first["loc"], _words(first)) from None
        except PydanticCustomError as error:
            problem = error.context or {}
            if problem["at"][: len(at)] == at:
                raise
            raise _refusal(settings, varied, at, problem["at"], problem["message"]) from None


def _refusal(settings: Settings, varied: tuple[str, ...], at: Path, where: Path, problem: str) -> PydanticCustomError:
    """At the varied setting that the problem is at, else at the last one."""
    parts = {str(part) for part in where}
    blamed = next((name for name in varied if set(name.split(".")) <= {*parts, "strategies"}), varied[-1])
    tried = ", ".join(f"{name} {settings[name]!r}" for name in varied if name in settings)
    return misplaced((*at, blamed), f"the search could choose {tried}, but {problem}", "narrow the search space")


def _words(first: Any) -> str:
    if first["type"] == "missing":
        return f"{first['loc'][-1]} is missing"
    message = str(first.get("ctx", {}).get("message") or first["msg"].removeprefix("Value error, "))
    return f"{first['loc'][-1]} {message.replace('Input should', 'must')}" if message.startswith("Input should") else message


def _check_unchanged(arm: ArmConfig, space: Space, settings: Settings, varied: tuple[str, ...], at: Path) -> None:
    """Validation must not convert a value: no string to a number, no number to true or false, no fraction to an integer."""
    for name in varied:
        if name not in settings or is_switch(name):
            continue
        given, kept, part = settings[name], _kept(arm, name), space[name]
        if isinstance(kept, bool) and not isinstance(given, bool):
            raise misplaced((*at, name), f"{given!r} is neither true nor false", "write {choices: [true, false]}")
        if given != kept or (isinstance(given, bool) and not isinstance(kept, bool)):
            raise misplaced((*at, name), f"{given!r} would become {kept!r}", "write it as the setting needs it, without quotes")
        if isinstance(part, Range) and isinstance(kept, int) and not part.integer:
            raise misplaced((*at, name), f"{name} is an integer", "add `integer: true` to its range")


def _kept(arm: ArmConfig, name: str) -> Any:
    """The arm's own value of a dotted setting."""
    section, *rest = name.split(".")
    if section == "strategies":
        return getattr(next(strategy for strategy in arm.strategies if strategy.kind == rest[0]), rest[1])
    if not rest:
        return getattr(arm, section)
    value = getattr(getattr(arm, section), rest[0])
    return value if len(rest) == 1 else value[rest[1]]
