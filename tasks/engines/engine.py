"""The engines by name: what `execution.engine` chooses between. An engine's module is imported when it is used."""

import importlib
from typing import Protocol, cast

from bertft_core.config import StudyConfig, UserError
from bertft_core.storage.study_dir import StudyDir
from tasks.protocols import SlotPool

MODULES = {"local": "tasks.engines.local", "ray": "tasks.engines.ray_cluster", "work_pool": "tasks.engines.work_pool"}


class Engine(Protocol):
    """What a module of this package has."""

    def open_pool(self, study: StudyConfig, study_dir: StudyDir, *, force: bool) -> SlotPool:
        """The places where the runs of a study are carried out, which begin to start. Raises `UserError`.

        With `force` what an earlier command has left of a run is not gone on from.
        """


def open_pool(study: StudyConfig, study_dir: StudyDir, *, force: bool = False) -> SlotPool:
    """The pool of the engine that the study chooses. Raises `UserError`, also where the engine is not installed."""
    name = study.execution.engine
    try:
        engine = cast(Engine, importlib.import_module(MODULES[name]))
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise not_installed(name) from None
    return engine.open_pool(study, study_dir, force=force)


def not_installed(name: str) -> UserError:
    """The package of an engine is missing; to be raised."""
    return UserError(
        f"the engine {name} is not installed here",
        code="engine.not-installed",
        found=f"execution.engine: {name}, and no package {name}",
        expected=f"bertft with the extra [{name}], here and on every node",
        hint=f"run make install EXTRAS={name}, or use --set execution.engine=local",
    )
