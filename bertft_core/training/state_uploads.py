"""Stores the newest state of a run while it trains, so that the run can go on elsewhere when its node is lost.

A state is hundreds of MB: only the newest one is stored, at an interval of its own, in a thread. The worker deletes older states
while they are on their way, so each is hard-linked first.
"""

import os
import shutil
import threading
import time
from pathlib import Path

from bertft_core.artifacts.artifact_store import ArtifactStore
from bertft_core.training.checkpoint import checkpoints
from bertft_core.training.curve_file import OnEvent
from bertft_core.training.workers import WorkerLeft

LOOK_EVERY_SECONDS = 0.5
CURVES = "curves.jsonl"


class StateUploads:
    """Uploads until the block ends, which waits for one that is on its way, and stores the last state of a run that left."""

    def __init__(
        self, store: ArtifactStore, key: str, run_dir: Path, snapshot_dir: Path, every_seconds: float, tell: OnEvent
    ) -> None:
        self._store, self._key, self._run_dir, self._snapshot_dir = store, key, run_dir, snapshot_dir
        self._every_seconds, self._tell = every_seconds, tell
        self._ended = threading.Event()
        self._last = self._newest()
        self._thread = threading.Thread(target=self._upload_all, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        self._ended.set()
        self._thread.join()
        if kind is not None and issubclass(kind, WorkerLeft):
            self._upload_newest()

    def _upload_all(self) -> None:
        due = time.monotonic() + self._every_seconds
        while not self._ended.wait(min(LOOK_EVERY_SECONDS, self._every_seconds)):
            if time.monotonic() >= due and self._upload_newest():
                due = time.monotonic() + self._every_seconds

    def _upload_newest(self) -> bool:
        """Store the newest state; False where there was none, or the worker has deleted it for a newer one."""
        newest = self._newest()
        if newest is None or newest == self._last:
            return False
        try:
            try:
                names = self._linked(newest)
            except FileNotFoundError:  # one of the store is its own: a bucket that is missing
                return False
            self._store.put(self._key, self._snapshot_dir, names, replace=True)
            self._last = newest
        except Exception as error:  # of whatever the store's library raises: the run goes on without
            self._tell({"kind": "problem", "text": f"the state of the run was not stored: {type(error).__name__}: {error}"})
        return True

    def _newest(self) -> str | None:
        found = checkpoints(self._run_dir / "checkpoint")
        return found[-1].name if found else None

    def _linked(self, state: str) -> list[str]:
        """Links to the files of a state, with the curves that end after it; their names."""
        shutil.rmtree(self._snapshot_dir, ignore_errors=True)
        folder = Path("checkpoint", state)
        (self._snapshot_dir / folder).mkdir(parents=True)
        names = [CURVES]
        for path in (self._run_dir / folder).iterdir():
            os.link(path, self._snapshot_dir / folder / path.name)
            names.append((folder / path.name).as_posix())
        shutil.copyfile(self._run_dir / CURVES, self._snapshot_dir / CURVES)  # it grows in place
        return names
