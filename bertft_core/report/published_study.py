"""A study as others can run it: files by their names, and nothing of this machine or of its servers."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from bertft_core.config.study_config import StudyConfig
from bertft_core.config.study_file import with_paths
from bertft_core.report.study_as_yaml import shortest_values

IDENTITY = ("threads_per_run", "device", "kernels", "compute")
"""Keys of `execution` that decide what a run computes."""


def published_yaml(study: StudyConfig) -> str:
    """The study with the same digest for whoever puts its files beside it."""
    names = file_names(_paths(study))
    values = shortest_values(with_paths(study, lambda path, _: names[path]))
    values = {key: value for key, value in values.items() if key not in ("tracking", "retention")}
    execution = {key: value for key, value in values.pop("execution", {}).items() if key in IDENTITY}
    published = values | ({"execution": execution} if execution else {})
    return yaml.safe_dump(published, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def _paths(study: StudyConfig) -> set[str]:
    found: set[str] = set()

    def seen(path: str, _: object) -> str:
        found.add(path)
        return path

    with_paths(study, seen)
    return found


def file_names(paths: Iterable[str]) -> dict[str, str]:
    """Path → its name, with as many of its folders as tell it from the others; a relative path as it is."""
    parts = {path: Path(path).parts[1:] if Path(path).is_absolute() else () for path in paths}
    names = {}
    for path, own in parts.items():
        others = [other for each, other in parts.items() if each != path]
        n = next((n for n in range(1, len(own)) if all(other[-n:] != own[-n:] for other in others)), len(own))
        names[path] = "/".join(own[-n:]) if own else path
    return names
