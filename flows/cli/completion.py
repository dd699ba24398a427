"""What a shell offers for the words of a command: studies of the home, ready studies, config files. Loads no config."""

from collections.abc import Iterable
from pathlib import Path

import typer

from bertft_core.config.errors import UserError
from bertft_core.config.ready_studies import ready_names
from bertft_core.storage.home_folder import home_dir

SUFFIXES = (".yaml", ".yml")


def complete_study(ctx: typer.Context, incomplete: str) -> list[str]:
    """Studies of the home, and config files."""
    return _beginning(incomplete, [*_of_home(ctx), *_files(incomplete)])


def complete_config(ctx: typer.Context, incomplete: str) -> list[str]:
    """Config files, ready studies, and studies of the home."""
    return _beginning(incomplete, [*_files(incomplete), *ready_names(), *_of_home(ctx)])


def _of_home(ctx: typer.Context) -> list[str]:
    """The studies of the home that the line names so far, or of the default one."""
    try:
        home = home_dir(ctx.params.get("home"))
    except UserError:
        return []
    return sorted(path.parent.name for path in home.glob("studies/*/config.json"))


def _files(incomplete: str) -> list[str]:
    """Config files and folders in the folder that is being typed."""
    typed, separator, _ = incomplete.rpartition("/")
    folder = Path(typed or separator or ".")
    try:
        found = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    except OSError:  # none, or one that cannot be read: a traceback would fill the line that is typed
        return []
    names = [path.name + "/" * path.is_dir() for path in found if path.is_dir() or path.suffix in SUFFIXES]
    return [f"{typed}{separator}{name}" for name in names]


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    """Those that go on as it begins, each once."""
    return list(dict.fromkeys(name for name in names if name.startswith(incomplete)))
