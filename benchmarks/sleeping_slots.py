"""In place of `bertft_core.training.slots.Slots` on a node: a run takes a given time, no CPU, and leaves made-up files."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bertft_core.records import RunSpec
from bertft_core.storage.study_dir import StudyDir
from tests.helpers.small_records import make_card, make_record

SECONDS = "BERTFT_BENCHMARK_SECONDS"
"""Variable of a node: how long a run takes."""


class SleepingSlots:
    """One slot; see `Slots`."""

    def __init__(self, environments: list[dict[str, str]], log_dir: Path) -> None:
        self._seconds = float(os.environ[SECONDS])

    @contextmanager
    def lease(self) -> Iterator[SleepingSlots]:
        yield self

    def run(self, spec: RunSpec, run_dir: Path, on_event: Callable[[dict[str, Any]], object]) -> None:
        on_event({"kind": "started", "planned_steps": 1, "resumed_from_step": None})
        time.sleep(self._seconds)
        with tempfile.TemporaryDirectory() as folder:
            made = StudyDir(Path(folder), spec.study)
            make_record(spec, make_card(Path(folder)), made)
            shutil.copytree(made.run_dir(spec.digest), run_dir, dirs_exist_ok=True)
        on_event({"kind": "ended", "status": "ok"})

    def interrupt(self) -> None:
        """A sleeper is waited for."""

    def leave(self) -> None:
        """A sleeper is waited for."""

    def close(self) -> None:
        """It holds nothing."""
