"""Who may work in a study's folder: one command at a time, and none of a newer version over the results of an older one."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from bertft_core.config import StudyConfig, UserError
from bertft_core.storage.study_dir import Damaged, StudyDir, checked_values, read_record, write_record
from bertft_core.storage.upgrade import version_of
from tasks.process_identity import Owner, this_process

HOLDER_FILE = "lock.json"
PROBED_SECONDS = 0.5
"""How long a command waits for a lock: one that only asks whether it is held has it for a moment."""


def take_lock(study_dir: StudyDir, lock: FileLock) -> None:
    """Make the folder and hold its lock. Raises `UserError`, with who holds it, when another command does."""
    study_dir.path.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=PROBED_SECONDS)
    except Timeout:
        raise _held(study_dir) from None
    write_record(study_dir.path / HOLDER_FILE, this_process())


@contextmanager
def held(study_dir: StudyDir) -> Iterator[None]:
    """Hold a study's lock for the block; raises as `take_lock` does."""
    lock = FileLock(study_dir.path / "lock")
    take_lock(study_dir, lock)
    try:
        yield
    finally:
        lock.release()


def is_held(study_dir: StudyDir) -> bool:
    """A command holds the study's lock now."""
    return is_locked(study_dir.path / "lock")


def is_locked(path: Path) -> bool:
    """A process holds this lock now. Shares it for a moment, so that two that ask do not take each other for such a process."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it is not there, or must not be read
        return False
    return False


def holder_of(study_dir: StudyDir) -> Owner | None:
    """The command that holds, or last held, the lock; None when that is not known."""
    return read_record(study_dir.path / HOLDER_FILE, Owner)


def _held(study_dir: StudyDir) -> UserError:
    owner = holder_of(study_dir)
    return UserError(
        f"another command is running the study '{study_dir.path.name}'",
        code="study.locked",
        path=study_dir.path,
        found=f"the lock is held by {'a process that is not known' if owner is None else owner.words()}",
        expected="one command at a time",
        hint="wait until it ends, or stop it",
    )


def refuse_older(study_dir: StudyDir, *, force: bool) -> None:
    """Raise `UserError` for a study that an older version has run: today's runs would not give its numbers."""
    try:
        _, version = checked_values(study_dir.config_path, StudyConfig)
    except (FileNotFoundError, Damaged):
        return
    if version < version_of("StudyConfig") and not force:
        name = study_dir.path.name
        raise UserError(
            f"the study '{name}' was run by an older version of bertft, whose runs have other numbers",
            code="study.older-version",
            path=study_dir.path,
            found=f"a study of version {version}",
            expected=f"version {version_of('StudyConfig')}, so that old runs and new ones do not meet in one table",
            hint=f"see it: bertft show {name}; run it beside the old one: --set name={name}-2; or in its place: --force",
        )
