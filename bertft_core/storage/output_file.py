"""Files that a user names for a command's output: special files are written to, links followed, regular files replaced whole."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from bertft_core.config.errors import UserError
from bertft_core.config.paths import checked_path
from bertft_core.storage.home_folder import COMPARISONS, own_part
from bertft_core.storage.study_dir import write_atomically


def check_output(given: str | Path, named: str, *, home: Path, reads: Iterable[Path] = ()) -> Path:
    """The path of an output, unchanged; `named` is its option, `reads` the files and folders that the command reads.

    Missing folders are made when it is written. Raises `UserError` for a folder, for anything that the command reads, and for
    what bertft itself has in a home.
    """
    path = checked_path(given, named)
    try:
        if not is_special(path):
            _check_regular(path.resolve(), named, home, reads)
    except (OSError, RuntimeError) as error:
        raise _refused(named, path, code="output.cannot-be-written", found=str(error), hint="name another file") from None
    return path


def _check_regular(path: Path, named: str, home: Path, reads: Iterable[Path]) -> None:
    found = path.stat() if path.exists() else None
    if path.is_dir():
        raise _refused(named, path, code="output.is-a-folder", found="a folder", hint="name a file in it")
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir():
        raise _refused(named, path, code="output.cannot-be-written", found=f"{folder} is a file", hint="name another file")
    if any(_is_read(path, found, source) for source in reads):
        raise _refused(named, path, code="output.is-read", found="a file that the command reads", hint="name another file")
    _refuse_own(path, named, home)
    if not os.access(path if found is not None else folder, os.W_OK):
        raise _refused(named, path, code="output.cannot-be-written", found="no permission to write", hint="name another file")


def check_output_folder(given: str | Path, named: str, *, home: Path) -> Path:
    """The folder, created, that an output goes into: of a home, only one for comparisons. Raises `UserError` for a file."""
    path = checked_path(given, named)
    try:
        path = path.resolve()
        _refuse_own(path, named, home, but=COMPARISONS)
        if path.exists() and not path.is_dir():
            raise _refused(named, path, code="output.cannot-be-written", found="a file", hint="name a folder")
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        raise _refused(named, path, code="output.cannot-be-written", found=str(error), hint="name another folder") from None
    return path


def _refuse_own(path: Path, named: str, home: Path, *, but: str | None = None) -> None:
    part = own_part(path, home)
    if part is not None and part.name != but:
        found = f"a part of bertft's home ({part.name})"
        raise _refused(named, path, code="output.in-the-home", found=found, hint="name a place outside of the home")


def write_output(path: Path, content: str | bytes, named: str) -> None:
    """Write to a checked output. Raises `UserError` with the reason; a regular file is then as it was, and no part is left."""
    data = content.encode() if isinstance(content, str) else content
    try:
        if is_special(path):
            with path.open("wb", buffering=0) as file:
                _write_all(file.fileno(), data)
        else:
            write_atomically(path.resolve(), data)
    except BrokenPipeError:
        return  # its reader has read enough
    except OSError as error:
        found = error.strerror or str(error)
        raise _refused(
            named, path, code="output.cannot-be-written", found=found, hint="free some space, or name another file"
        ) from None


def is_special(path: Path) -> bool:
    """Whether a path is a pipe, a terminal or another device, which is read and written but never replaced."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _is_read(path: Path, found: os.stat_result | None, source: Path) -> bool:
    """Whether an output is the source itself, by any link, or in the source folder, or what a link in that folder leads to."""
    if not source.exists():
        return False
    if source.is_dir() and path.is_relative_to(source.resolve()):
        return True
    files = [file for file in source.iterdir() if file.exists()] if source.is_dir() else [source]
    return found is not None and any(os.path.samestat(found, file.stat()) for file in files)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _refused(named: str, path: Path, *, code: str, found: str, hint: str) -> UserError:
    return UserError(
        f"the output of {named} cannot be written here",
        code=code,
        path=path,
        found=found,
        expected="a place that can be written, and that the command does not read",
        hint=hint,
    )
