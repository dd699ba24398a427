"""A Python with chosen distributions and what they require, and nothing else: as on a machine where bertft is not installed."""

from __future__ import annotations

import importlib.metadata
import sys
import venv
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def bare_python(directory: Path, distributions: Iterable[str]) -> Path:
    """The interpreter of a new environment that links to packages of this one."""
    venv.create(directory, symlinks=True, with_pip=False)
    site = directory / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for name in with_requirements(distributions):
        found = importlib.metadata.distribution(name)
        for top in sorted({path.parts[0] for path in found.files or () if path.parts[0] not in ("..", "__pycache__")}):
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(found.locate_file(top))).resolve())
    return directory / "bin" / "python"


def with_requirements(distributions: Iterable[str]) -> set[str]:
    """The distributions and those that they require, theirs too; what is not installed is left out."""
    found: set[str] = set()
    todo = [canonicalize_name(name) for name in distributions]
    while todo:
        name = todo.pop()
        try:
            needs = importlib.metadata.requires(name) or ()
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        for need in map(Requirement, needs):
            if (need.marker is None or need.marker.evaluate({"extra": ""})) and canonicalize_name(need.name) not in found:
                todo.append(canonicalize_name(need.name))
    return found
