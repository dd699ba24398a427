"""Prepared data that a live process writes or trains on: `bertft clean` keeps them, even when a study starts while it runs."""

import shutil
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from bertft_core.data.arrow_storage import lock_path, part_path
from bertft_core.library.study_on_disk import StudyOnDisk
from bertft_core.storage.study_dir import StudyDir
from flows.cli.unused_files import Leftover
from tasks.study_lock import is_held


class DataInUse:
    """Tells, for a block that holds the locks of `studies`, which prepared data of their home others use."""

    def __init__(self, home: Path, studies: Iterable[StudyOnDisk], stack: ExitStack) -> None:
        self._data_dir, self._stack = home / "data", stack
        self._studies_dir, self._held = home / "studies", {found.dir.path.name for found in studies}
        self._taken: dict[str, bool] = {}
        """Beginning of a fingerprint → whether this process holds the lock of these data, so that no other writes them."""

    def free(self, leftovers: Iterable[Leftover]) -> list[Leftover]:
        """Those that are not prepared data, or unused data, whose locks are then held until the stack ends."""
        in_motion = self._others_run()
        return [each for each in leftovers if not self._is_data(each.path) or (not in_motion and self._take(each.path))]

    def delete(self, leftover: Leftover) -> bool:
        """Delete it, unless a study that may use it has started by now; whether it was deleted."""
        path = leftover.path
        is_folder_of_data = path.parent == self._data_dir and not path.name.startswith(".")
        if is_folder_of_data:
            going = part_path(path)  # a study that begins from here on makes its own; one that began before is seen
            shutil.rmtree(going, ignore_errors=True)
            path.rename(going)
        else:
            going = path
        if self._is_data(path) and self._others_run():
            going.rename(path)
            return False
        if going.is_dir():
            shutil.rmtree(going)
        else:
            going.unlink(missing_ok=True)
        return True

    def _is_data(self, path: Path) -> bool:
        return path.is_relative_to(self._data_dir)

    def _others_run(self) -> bool:
        """A command holds a study that is not held here: it began after the studies were looked up."""
        found = (path.parent.name for path in self._studies_dir.glob("*/lock"))
        return any(is_held(StudyDir(self._studies_dir.parent, name)) for name in found if name not in self._held)

    def _take(self, path: Path) -> bool:
        """Hold the lock of the data that this is, or is part of."""
        first = path.relative_to(self._data_dir).parts[0]
        name = first.removeprefix(".").partition(".")[0][:16]
        if name not in self._taken:
            lock = FileLock(lock_path(self._data_dir / name))
            with suppress(Timeout):  # another process makes these data: they are in use
                lock.acquire(timeout=0)
                self._stack.callback(lock.release)
            self._taken[name] = lock.is_locked
        return self._taken[name]
