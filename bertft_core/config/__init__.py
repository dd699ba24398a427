"""What can be asked for: the study's configuration. Imports no torch and loads fast.

Each part is loaded when it is first used: the models of a whole study take a third of a second, and a command that only says
what it could do needs none of them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertft_core.config.errors import UserError
    from bertft_core.config.study_config import ArmConfig, StudyConfig
    from bertft_core.config.study_file import load_study, parse_study

__all__ = ["ArmConfig", "StudyConfig", "UserError", "load_study", "parse_study"]

_MODULES = {
    "ArmConfig": "bertft_core.config.study_config",
    "StudyConfig": "bertft_core.config.study_config",
    "UserError": "bertft_core.config.errors",
    "load_study": "bertft_core.config.study_file",
    "parse_study": "bertft_core.config.study_file",
}
"""Name → the module that has it."""


def __getattr__(name: str) -> Any:
    """A public name, loaded when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return globals().setdefault(name, getattr(import_module(_MODULES[name]), name))
