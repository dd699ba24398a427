"""Tokenised splits that differ from what was written. Loads no Arrow: `bertft status` looks, and opens none of them."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from bertft_core.config.base import Frozen
from bertft_core.storage.damage import Damage
from bertft_core.storage.study_dir import Damaged, checked_record, problem_of_file

CHECKSUMS_FILE = "checksums.json"
TOKENISED_AGAIN = "the data are tokenised again"


class Checksums(Frozen):
    """File of a data folder → its SHA-256."""

    version: int = 1
    files: dict[str, str]


def find_damage(directory: Path, names: Mapping[str, int]) -> list[Damage]:
    """The splits of a folder that differ from their checksums; a folder of an older version has no checksums."""
    path = directory / CHECKSUMS_FILE
    try:
        expected = checked_record(path, Checksums).files
    except FileNotFoundError:
        return []
    except Damaged as error:
        return [Damage(path, str(error).removeprefix(f"{path}: "), TOKENISED_AGAIN)]
    found = []
    for name in names:
        split = directory / f"{name}.arrow"
        seen = (split.stat().st_mtime_ns, split.stat().st_size) if split.is_file() else None
        problem = _problem(split, seen, expected.get(split.name, ""))
        if problem is not None:
            found.append(Damage(split, problem, TOKENISED_AGAIN))
    return found


@lru_cache(maxsize=1024)
def _problem(path: Path, seen: tuple[int, int] | None, sha256: str) -> str | None:
    """Cached, because a command opens its data several times; `seen` is the file's time and size, which change with it."""
    return problem_of_file(path, sha256)
