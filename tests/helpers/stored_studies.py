"""Studies that an earlier version has stored, and the numbers in them: what tests of old homes start from."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bertft_core.metrics.bounds import bounds_of

ARCHIVE = Path(__file__).parents[1] / "assets" / "study-0.2.tar.gz"
NAMES = ("claims", "rich", "crossed", "adaptive", "many")


def unpack(directory: Path) -> Path:
    """Unpack the archive of stored studies into `directory`; the home in it."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(directory, filter="data")
    return directory / "home"


def stored_json(path: Path) -> dict[str, Any]:
    """A record as it is on disk, whatever its version."""
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def numbers_in(values: Any) -> Iterator[float]:
    """Every fraction anywhere in the values of a record; whole numbers are counts and indices, of which there are always some."""
    if isinstance(values, Mapping):
        for value in values.values():
            yield from numbers_in(value)
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from numbers_in(value)
    elif isinstance(values, float) and values != int(values):
        yield values


def cut_at_bounds(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of an earlier version with its t-interval cut at the bounds of its metric, as it is today."""
    if row.get("t_low") is None:
        return dict(row)
    low, high = bounds_of(row["metric"])
    return dict(row) | {"t_low": max(row["t_low"], low), "t_high": min(row["t_high"], high)}
