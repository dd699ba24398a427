"""The task of a training run knows its engine by `SlotPool` alone: any pool that leaves a record will do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunSpec
from bertft_core.storage.study_dir import StudyDir
from tasks.run_tasks import failed_record, train_run
from tests.helpers.small_records import make_card, make_record, make_study


class Engine:
    """A pool, its worker, a log and a progress in one; with `leaves_record` the run ends with one."""

    def __init__(self, card: Any, study_dir: StudyDir, *, leaves_record: bool) -> None:
        self._card, self._dir, self._leaves_record = card, study_dir, leaves_record
        self.heard: list[tuple[str, str]] = []

    @contextmanager
    def lease(self) -> Iterator[Engine]:
        yield self

    def run(self, spec: RunSpec, run_dir: Path, on_event: Any) -> None:
        on_event({"kind": "started"})
        if self._leaves_record:
            make_record(spec, self._card, self._dir)

    @contextmanager
    def run_of(self, spec: RunSpec) -> Iterator[Any]:
        yield lambda event: self.heard.append(("log", event["kind"]))

    def on_event(self, spec: RunSpec, event: dict[str, Any]) -> None:
        self.heard.append(("progress", event["kind"]))


def carried_out(folder: Path, *, leaves_record: bool) -> tuple[Any, Engine, RunSpec, Path]:
    study, card = make_study(), make_card(folder)
    spec, study_dir = plan_runs(study, card, {})[0], StudyDir(folder, study.name)
    engine, run_dir = Engine(card, study_dir, leaves_record=leaves_record), study_dir.run_dir(spec.digest)
    return (lambda: train_run.fn(spec, run_dir, slots=engine, log=engine, progress=engine)), engine, spec, run_dir


def test_any_pool_may_stand_behind_the_task(tmp_path):
    train, engine, spec, _ = carried_out(tmp_path, leaves_record=True)
    assert train().digest == spec.digest
    assert engine.heard == [("progress", "started"), ("log", "started")]


def test_a_pool_that_leaves_no_record_fails_and_the_failure_is_recorded(tmp_path):
    train, _, spec, run_dir = carried_out(tmp_path, leaves_record=False)
    with pytest.raises(RuntimeError, match="without a record"):
        train()
    record = failed_record(spec, run_dir, RuntimeError("two\n lines"), attempts=2)
    assert (record.status, record.error, record.attempts) == ("failed", "two lines", 2)
    assert (run_dir / "record.json").exists()
