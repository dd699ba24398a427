"""Which samplers there are, and which spaces and first trials each of them can have."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from bertft_core.config.base import misplaced
from bertft_core.config.errors import did_you_mean
from bertft_core.config.search_space import (
    Choices,
    Range,
    Settings,
    Space,
    Value,
    conditional,
    is_active,
    listed_value,
    n_listed,
    switch_of,
)

Sampler = Literal["tpe", "random", "grid", "qmc", "gp", "cmaes"]
NAMES: Mapping[Sampler, str] = {"grid": "a grid", "qmc": "QMC", "gp": "GP", "cmaes": "CMA-ES", "tpe": "TPE", "random": "random"}
CONDITIONAL: frozenset[Sampler] = frozenset({"tpe", "random"})
"""Samplers of spaces in which some trials have settings that others do not have."""
MAX_GRID = 100_000


def check_sampler(sampler: Sampler, space: Space, n_trials: int) -> None:
    """Raise a pydantic error for the first setting of a space that its sampler cannot search."""
    if sampler not in CONDITIONAL and (names := conditional(space)):
        name = names[0]
        problem = f"{NAMES[sampler]} gives every trial every setting, and trials that turn {switch_of(name)} off do not have this"
        raise misplaced(("space", name), problem, f"use sampler tpe or random, or remove {switch_of(name)} from the space")
    for name, part in space.items():
        if sampler == "cmaes" and isinstance(part, Choices):
            raise misplaced(
                ("space", name), "CMA-ES searches ranges of numbers only", "give low and high, or use another sampler"
            )
        if sampler == "grid" and isinstance(part, Range) and not part.integer and part.step is None:
            raise misplaced(
                ("space", name),
                "a grid needs values that can be listed",
                "give choices" if part.log else "add step, or give choices",
            )
    size = math.prod(map(n_listed, space.values()))
    if sampler == "grid" and size > MAX_GRID:
        raise misplaced(("space",), f"its grid has {size:,} settings; at most {MAX_GRID:,} are listed", "make the steps larger")
    if sampler == "grid" and size < n_trials:
        raise misplaced(("n_trials",), f"{n_trials} trials, but the grid has {size} settings", f"set n_trials to {size}")


def check_enqueued(enqueued: Sequence[Settings], sampler: Sampler, space: Space, n_trials: int) -> None:
    """Raise a pydantic error for the first enqueued trial that the search could not have suggested itself."""
    if enqueued and sampler == "grid":
        raise misplaced(("enqueue",), "a grid tries all of its settings anyway", "remove it, or use another sampler")
    if len(enqueued) > n_trials:
        raise misplaced(("enqueue",), f"{len(enqueued)} trials, but n_trials is {n_trials}", "raise n_trials, or remove some")
    for number, settings in enumerate(enqueued):
        _check_names(settings, space, ("enqueue", number))
        for name, value in settings.items():
            _check_value(value, space[name], ("enqueue", number, name))
        if settings in enqueued[:number]:
            raise misplaced(("enqueue", number), f"it is the same as number {enqueued.index(settings)}", "remove one of them")


def _check_names(settings: Settings, space: Space, at: tuple[str | int, ...]) -> None:
    for name in settings:
        if name not in space:
            hint = did_you_mean(name, tuple(space)) or "remove it, or add it to the space"
            raise misplaced((*at, name), f"it is not in the space, which has {', '.join(space)}", hint)
        if not is_active(name, settings):
            raise misplaced((*at, name), f"{switch_of(name)} is false, so the trial has no such setting", "remove it")
    missing = [name for name in space if name not in settings and is_active(name, settings)]
    if missing:
        raise misplaced(at, f"it has no {' and no '.join(missing)}", "give every setting of the space")


def _check_value(value: Value, part: Range | Choices, at: tuple[str | int, ...]) -> None:
    if isinstance(part, Choices):
        if not any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in part.choices):
            raise misplaced(at, f"{value!r} is none of its choices", f"use one of {', '.join(map(repr, part.choices))}")
    elif isinstance(value, bool | str):
        raise misplaced(at, f"{value!r} is no number", "write a number, without quotes")
    elif not part.low <= value <= part.high:
        raise misplaced(at, f"{value!r} is outside the space", f"use a value from {part.low:g} to {part.high:g}")
    elif part.integer or part.step is not None:
        nearest = listed_value(part, round((value - part.low) / (part.step or 1)))
        if nearest != value:
            raise misplaced(
                at, f"{value!r} is no step of its range", f"use a value that the search can choose, such as {nearest}"
            )
