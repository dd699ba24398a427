"""An arm with a grid, or a learning curve, becomes one arm for each combination of its values; plain values in and out."""

import copy
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bertft_core.config.base import misplaced
from bertft_core.config.dotted_settings import is_given, set_setting
from bertft_core.config.learning_curves import CURVE, SIZE, SUBSETS, curve_arms, curve_of
from bertft_core.config.yaml_text import Path

GRID, VALUES = "grid", "grid_values"
MAX_ARMS = 50


def expand_grids(values: Any) -> Any:
    """The values of a study without grids: `arms.NAME.grid` makes the arms NAME-g01, NAME-g02, …, the last key varying fastest.

    `arms.NAME.learning_curve` makes the arms NAME-n060, NAME-n120, …, one for each size. Each has `grid_values`, the dotted
    settings that it has of the grid. Raises a pydantic error that names the place to change, for a grid that is none, that makes
    more arms than `max_arms`, or that gives a setting which its arm gives too.
    """
    arms = values.get("arms") if isinstance(values, Mapping) else None
    if not isinstance(arms, Mapping) or not any(map(_is_several, arms.values())):
        return values
    _refuse_too_many(arms, values.get("max_arms", MAX_ARMS))
    expanded: dict[str, Any] = {}
    for name, arm in arms.items():
        for made, own in _arms_of(name, arm) if _is_several(arm) else [(name, arm)]:
            if made in expanded or (made != name and made in arms):
                what = "learning curve" if curve_of(arm) else "grid"
                raise misplaced(("arms", name), f"its {what} makes an arm '{made}', and there is one", "rename one of the two")
            expanded[made] = own
    return {**values, "arms": expanded}


def source_of(values: Any, at: Path) -> Path:
    """Where a setting of an arm that a grid or curve has made is written in the values with it; other paths as they are."""
    arms = values.get("arms") if isinstance(values, Mapping) else None
    if at[:1] != ("arms",) or len(at) < 2 or not isinstance(arms, Mapping) or at[1] in arms:
        return at
    for name, arm in arms.items():
        if (curve := curve_of(arm)) and any(made == at[1] for made, *_ in curve_arms(name, arm, curve)):
            return ("arms", name, CURVE) if at[2:3] in ((SIZE,), (SUBSETS,)) else ("arms", name, *at[2:])
        if _has_grid(arm) and str(at[1]).startswith(f"{name}-g"):
            return ("arms", name, *_in_grid(arm, at[2:]))
    return at


def _in_grid(arm: Mapping[str, Any], at: Path) -> Path:
    """Where an arm's values have a setting that one of the arms of its grid has: in the grid, or in the arm itself."""
    below, added = _named(arm, at)
    for key, _ in flat_grid("", arm[GRID]):
        parts = key.split(".")
        if below[: len(parts)] == parts:
            return (GRID, key, *at[len(parts) :])
        if added and parts[:2] == below[:2]:  # the kind of a strategy that the grid names
            return (GRID, key)
    return at


def _named(arm: Mapping[str, Any], at: Path) -> tuple[list[str], bool]:
    """The parts of a path with the kind of a strategy in place of its position, and whether the grid adds it: these come last."""
    if len(at) < 2 or at[0] != "strategies" or not isinstance(at[1], int):
        return [str(part) for part in at], False
    kinds = [strategy.get("kind") for strategy in arm.get("strategies") or () if isinstance(strategy, Mapping)]
    added = [key.split(".")[1] for key, _ in flat_grid("", arm[GRID]) if key.startswith("strategies.")]
    own = len(kinds)
    kinds += [kind for kind in dict.fromkeys(added) if kind not in kinds]
    kind = kinds[at[1]] if at[1] < len(kinds) else at[1]
    return ["strategies", str(kind), *(str(part) for part in at[2:])], own <= at[1] < len(kinds)


def _has_grid(arm: Any) -> bool:
    return isinstance(arm, Mapping) and arm.get(GRID) is not None


def _is_several(arm: Any) -> bool:
    return _has_grid(arm) or curve_of(arm) is not None


def stem_of(arm: str) -> str:
    """The name, in the config, of the arm whose grid or learning curve has made this one."""
    return re.sub(r"-[gn]\d+$", "", arm)


def flat_grid(arm: str, grid: Any) -> list[tuple[str, list[Any]]]:
    """Dotted key → its values, of a grid that names keys dotted or nested. Raises a pydantic error for one that is none."""
    found = list(_lists(grid, ()))
    for at, listed in found:
        place = ("arms", arm, GRID, *at)
        if not at:
            raise misplaced(place, "it is not a mapping of settings to lists of values", "write {learning_rate: [1e-5, 3e-5]}")
        if at[0] in (GRID, VALUES, CURVE):
            raise misplaced(place, "it makes arms itself, so a grid cannot give it", f"list sizes in the grid as {SIZE}")
        if not isinstance(listed, list | tuple) or not listed:
            empty = listed is None or isinstance(listed, list | tuple | Mapping)
            hint = "list the values to try, or remove it" if empty else f"write the values to try as [{listed}, …]"
            raise misplaced(place, "it is not a list of values", hint)
        if any(value in listed[:i] for i, value in enumerate(listed)):
            raise misplaced(place, "a value is listed twice", "list each value once")
        if at[0] == "strategies" and len(at) == 2:
            _check_strategy(place, listed, beside=any(other[:2] == at != other for other, _ in found))
    return [(".".join(at), list(listed)) for at, listed in found]


def _check_strategy(place: Path, listed: Sequence[Any], *, beside: bool) -> None:
    """Raise a pydantic error for values that turn a strategy neither on nor off, or `beside` its own settings in the grid."""
    if beside:
        hint = "list the settings here, such as [false, {p: 0.1}, {p: 0.2}]"
        raise misplaced(place, "the grid has settings of this strategy too, which an arm without it cannot have", hint)
    for value in listed:
        if value is not None and not isinstance(value, bool | Mapping):
            problem = f"{value!r} turns the strategy neither on nor off"
            raise misplaced(place, problem, "write true, false, or a mapping of its settings")


def _lists(part: Any, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(part, Mapping) and part:
        for key, below in part.items():
            yield from _lists(below, (*at, *str(key).split(".")))
    else:
        yield at, part


def _refuse_too_many(arms: Mapping[str, Any], limit: Any) -> None:
    sizes = {name: _n_arms(name, arm) for name, arm in arms.items()}
    if isinstance(limit, int) and sum(sizes.values()) > limit:
        largest = max(sizes, key=lambda name: sizes[name])
        problem = f"it makes {sizes[largest]} arms, so the study would have {sum(sizes.values())}; max_arms is {limit}"
        place = ("arms", largest, CURVE if curve_of(arms[largest]) else GRID)
        raise misplaced(place, problem, "list fewer values, or raise max_arms; a search tries only some of many")


def _n_arms(name: str, arm: Any) -> int:
    if (curve := curve_of(arm)) is not None:
        return len(curve.sizes)
    return math.prod(len(listed) for _, listed in flat_grid(name, arm[GRID])) if _has_grid(arm) else 1


def _arms_of(name: str, arm: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if (curve := curve_of(arm)) is not None:
        yield from ((made, copy.deepcopy(own) | {VALUES: given}) for made, own, given in curve_arms(name, arm, curve))
        return
    grid = flat_grid(name, arm[GRID])
    common = {key: value for key, value in arm.items() if key != GRID}
    for key, _ in grid:
        if is_given(common, key):
            raise misplaced(
                ("arms", name, GRID, *key.split(".")), "the arm itself gives this setting too", "remove one of the two"
            )
    combinations = list(itertools.product(*(listed for _, listed in grid)))
    digits = max(2, len(str(len(combinations))))
    for i, combination in enumerate(combinations, start=1):
        values = {key: value for (key, _), value in zip(grid, combination, strict=True)}
        own = copy.deepcopy(common)
        for key, value in values.items():
            set_setting(own, key, value)
        yield f"{name}-g{i:0{digits}}", own | {VALUES: values}
