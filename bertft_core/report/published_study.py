"""A study as others can run it: files by their names, and nothing of this machine or of its servers."""

import yaml

from bertft_core.config.study_config import StudyConfig
from bertft_core.config.study_file import with_paths
from bertft_core.report.formatting.file_names import file_names
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
