"""Where the wanted columns of a table are: by their names, or by names that differ in case alone."""

from collections.abc import Callable, Sequence

from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.data.examples import shorten


def place_columns(
    wanted: Sequence[str],
    found: Sequence[str],
    *,
    path: str,
    line: int | None,
    hint: Callable[[], str | None] = lambda: None,
    keys: bool = True,
) -> list[int]:
    """Position of each wanted column, which may differ in case if only one does.

    A `UserError` for a missing one lists the columns and suggests the nearest, or gives the `hint` of the caller;
    `keys` says whether it may name keys of `data`.
    """
    places = [nearest_column(name, found) for name in wanted]
    for name, place in zip(wanted, places, strict=True):
        if place is not None:
            continue
        twice = name in found
        raise UserError(
            f"duplicate column '{name}'" if twice else f"there is no column '{name}'",
            code="data.column-missing-or-duplicate",
            path=path,
            line=line,
            found=shorten(", ".join(found), 200) or "no columns",
            expected=f"the columns {', '.join(dict.fromkeys(wanted))}" + (", each exactly once" if twice else ""),
            hint="rename one of them in the file"
            if twice
            else hint()
            or did_you_mean(name, found)
            or f"correct the names of columns {'in data, or ' if keys else ''}in the file",
        )
    return [place for place in places if place is not None]


def nearest_column(name: str, found: Sequence[str]) -> int | None:
    """Position of the column of this name, or else of the only one that differs in case and outer white space alone."""
    if name in found:
        return found.index(name) if found.count(name) == 1 else None
    alike = [position for position, other in enumerate(found) if other.strip().casefold() == name.strip().casefold()]
    return alike[0] if len(alike) == 1 else None
