"""The home: a folder that can be made and written, with a path that stores can have in an address; and what is bertft's in it."""

import os
import re
from pathlib import Path

from bertft_core.config.errors import UserError
from bertft_core.config.paths import checked_path

NOT_IN_AN_ADDRESS = re.compile(r"[?%\x00-\x1f\x7f]|::")
"""What the addresses of MLflow's store and of artifacts read as something else in a path; `::` chains file systems of fsspec."""
COMPARISONS = "comparisons"
LAYOUT = re.compile(rf"studies|data|encoders|artifacts|logs|prefect|{COMPARISONS}|mlflow-artifacts|mlflow\.(db|lock).*")
"""What bertft has in a home, where a user may have other files beside it."""


def home_dir(given: str | Path | None = None) -> Path:
    """The folder of everything a study makes: the given one, else $BERTFT_HOME, else ./bertft-home; absolute.

    Raises `UserError` for a path that cannot be a home.
    """
    named = "--home" if given else "BERTFT_HOME" if os.environ.get("BERTFT_HOME") else "the current folder"
    return checked_home(given or os.environ.get("BERTFT_HOME") or "bertft-home", named)


def checked_home(given: str | Path, named: str) -> Path:
    """The absolute path of a home, which need not be there yet; `named` is what gives it.

    Raises `UserError` for a file, and for a path that stores cannot have in an address.
    """
    path = checked_path(given, named)
    try:
        home = path.resolve()
        there = next(folder for folder in (home, *home.parents) if folder.exists())
        is_file = not there.is_dir()
    except (OSError, RuntimeError) as error:
        raise _refused(named, path, code="home.cannot-be-used", found=str(error)) from None
    if is_file:
        found = "a file" if there == home else f"{there}, on the way to it, is a file"
        raise _refused(named, home, code="home.not-a-folder", found=found)
    odd = NOT_IN_AN_ADDRESS.search(checked_path(home, named).as_posix())
    if odd is not None:
        raise _refused(
            named,
            home,
            code="home.odd-character",
            found=f"{odd.group()!r}, which the address of a store cannot have",
        )
    return home


def made_home(home: Path) -> Path:
    """The home, created where it is missing. Raises `UserError` where this user cannot write."""
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _refused("--home", home, code="home.cannot-be-created", found=error.strerror or str(error)) from None
    if not os.access(home, os.W_OK | os.X_OK):
        is_closed = os.statvfs(home).f_flag & os.ST_RDONLY
        found = "the disk can only be read" if is_closed else "a folder that this user cannot write to"
        raise _refused("--home", home, code="home.cannot-be-written", found=found)
    return home


def own_part(path: Path, home: Path) -> Path | None:
    """The file or folder of bertft, in this home or in another one, that a resolved path is or is in; None outside of them."""
    for folder in path.parents:
        part = folder / path.relative_to(folder).parts[0]
        if LAYOUT.fullmatch(part.name) and (folder == home.resolve() or _is_home(folder)):
            return part
    return None


def _is_home(folder: Path) -> bool:
    """Some study has been prepared in it."""
    return any(card.with_name("config.json").is_file() for card in folder.glob("studies/*/card.json"))


def _refused(named: str, path: Path, *, code: str, found: str) -> UserError:
    return UserError(
        f"the home that {named} names cannot be used",
        code=code,
        path=path,
        found=found,
        expected="a folder that can be written, without '?', '%' and '::' in its path",
        hint="name another folder: --home DIR, or BERTFT_HOME",
    )
