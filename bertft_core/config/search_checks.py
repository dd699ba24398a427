"""Checks of a search: every setting it can choose is one that a run can have, and its seeds are not report seeds."""

import itertools
from typing import Any

from pydantic import ValidationError

from bertft_core.config.base import misplaced
from bertft_core.config.search_settings import SearchConfig
from bertft_core.config.search_space import Range, Space, Value, ends, extremes
from bertft_core.config.seed_settings import SeedsConfig
from bertft_core.config.training_settings import TrainingConfig, merge_training
from bertft_core.config.yaml_text import Path


def check_search(search: SearchConfig, base: TrainingConfig, seeds: SeedsConfig, at: Path) -> None:
    """Raise a pydantic error for the first problem of an arm's search; `base` are the arm's training settings."""
    _check_seeds(search, seeds, at)
    changed = search.training.overrides()
    for setting in changed.keys() & search.space.keys():
        raise misplaced((*at, "training", setting), f"'{setting}' is searched, so it cannot be fixed here", "remove one of them")
    try:
        merge_training(base, changed)
    except ValidationError as error:
        raise misplaced(
            (*at, "training", *error.errors()[0]["loc"]), first_problem(error), "choose values that fit each other"
        ) from None
    _check_space(base, changed, search.training_space, (*at, "space"))


def _check_seeds(search: SearchConfig, seeds: SeedsConfig, at: Path) -> None:
    """Search seeds and report seeds, including those that may be added later, are disjoint."""
    reported = range(seeds.first, seeds.first + seeds.n_at_most)
    searched = range(search.first_seed_index, search.first_seed_index + search.n_seeds)
    first, last = max(reported[0], searched[0]), min(reported[-1], searched[-1])
    if first <= last:
        raise misplaced(
            at,
            f"seed indices {first} to {last} are also report seeds, so their scores would be selected rather than measured",
            f"choose first_seed_index so that {len(searched)} indices are outside {reported[0]} to {reported[-1]}",
        )


def _check_space(base: TrainingConfig, fixed: dict[str, Any], space: Space, at: Path) -> None:
    """Every setting that the search can choose is valid.

    The limits of a setting are intervals and no rule involves more than two settings, so it is enough to try the ends of the
    ranges and all choices, one setting at a time, and then the smallest and the largest two at a time, with the others at
    their first value.
    """
    first = {name: ends(part)[0] for name, part in space.items()}
    for name, part in space.items():
        for value in ends(part):
            settings = _merged(base, fixed, first | {name: value}, at)
            _check_unchanged(name, part, value, getattr(settings, name), (*at, name))
    for one, two in itertools.combinations(space, 2):
        for pair in itertools.product(extremes(space[one]), extremes(space[two])):
            _merged(base, fixed, first | {one: pair[0], two: pair[1]}, at)


def _merged(base: TrainingConfig, fixed: dict[str, Any], chosen: dict[str, Value], at: Path) -> TrainingConfig:
    try:
        return merge_training(base, fixed, chosen)
    except ValidationError as error:
        location = error.errors()[0]["loc"]
        invalid = {name: value for name, value in chosen.items() if name in location} or chosen
        tried = ", ".join(f"{name} {value!r}" for name, value in invalid.items())
        raise misplaced(
            (*at, *location), f"the search could choose {tried}, but {first_problem(error)}", "narrow the search space"
        ) from None


def first_problem(error: ValidationError) -> str:
    """The first problem of a merged training section, in one clause."""
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    return f"{name} {first['msg'].replace('Input should', 'must')}" if name else first["msg"].removeprefix("Value error, ")


def _check_unchanged(name: str, part: Any, given: Value, kept: Any, at: Path) -> None:
    """Validation must not convert a value: no string to a number, no fraction to an integer."""
    if given != kept:
        raise misplaced(at, f"{given!r} is a string, but a number is needed", "write it without quotes")
    if isinstance(part, Range) and isinstance(kept, int) and not part.integer:
        raise misplaced(at, f"{name} is an integer", "add `integer: true` to its range")
