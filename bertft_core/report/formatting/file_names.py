"""Absolute paths by the names of their files: the folders say nothing outside of their machine."""

from collections.abc import Iterable
from pathlib import Path


def file_names(paths: Iterable[str]) -> dict[str, str]:
    """Path → its name, with as many of its folders as tell it from the others; a relative path as it is."""
    parts = {path: Path(path).parts[1:] if Path(path).is_absolute() else () for path in paths}
    names = {}
    for path, own in parts.items():
        others = [other for each, other in parts.items() if each != path]
        n = next((n for n in range(1, len(own)) if all(other[-n:] != own[-n:] for other in others)), len(own))
        names[path] = "/".join(own[-n:]) if own else path
    return names
