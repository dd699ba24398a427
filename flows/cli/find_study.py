"""Finding the study that a command names, with what the environment adds to it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bertft_core.config import StudyConfig, UserError, load_study, parse_study
from bertft_core.config.ready_studies import ready_names
from bertft_core.library.study_on_disk import StudyOnDisk, known_studies, open_study, study_dir_of
from bertft_core.report.study_as_yaml import shortest_values
from bertft_core.storage.study_dir import StudyDir
from flows.cli.terminal import detail
from tasks.process_environment import with_own_store


def given_config(config: Path, home: Path) -> str | dict[str, Any]:
    """What a command is given as its CONFIG: the path of a file, the name of a ready study, or the values of one in the home.

    A file wins, then a ready study; a folder that happens to have the study's name is none. Raises `UserError`.
    """
    name = str(config)
    if (config.exists() and not config.is_dir()) or name in ready_names() or name not in known_studies(home):
        return name
    study = open_study(StudyDir(home, name)).study
    if study.name != name:
        raise UserError(
            "the folder of this study was renamed",
            code="study.renamed",
            path=home / "studies" / name,
            found=f"the config of the study '{study.name}'",
            expected="the name that its records, MLflow and Prefect know",
            hint=f"rename the folder back to '{study.name}'",
        )
    return shortest_values(study)


def load_config(config: Path, overrides: Sequence[str], home: Path) -> StudyConfig:
    """The study that a command is given as its CONFIG. Raises `UserError`."""
    given = given_config(config, home)
    detail(f"config {config}" if isinstance(given, str) else f"config of the study {config} in {home}")
    if isinstance(given, str):
        return load_study(given, overrides)
    return parse_study(given, overrides, path=str(StudyDir(home, str(config)).config_path))


def find_study(name: str, home: Path | None) -> StudyOnDisk:
    """The study with this name in the home, or the one a config file describes. Raises `UserError` when there is none."""
    found = open_study(study_dir_of(name, home))
    detail(f"study {found.study.name} in {found.dir.path}")
    return replace(found, study=with_own_store(found.study))
