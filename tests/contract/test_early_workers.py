"""Workers start before the session where there is something to train, and never outlive the command."""

from __future__ import annotations

import psutil

from bertft_core.evaluation.summarize import summarize
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.storage.study_results import StudyResults
from tasks.early_workers import early_workers
from tests.helpers.interrupted_runs import pids_of
from tests.helpers.small_records import make_card, make_study


def child_pids() -> set[int]:
    """Tests that ran before in this process may have left a server that is about to end."""
    return {child.pid for child in psutil.Process().children()}


def test_workers_end_with_the_block_and_may_be_ended_before(tmp_path):
    study = make_study(execution={"slots": 1})
    before = child_pids()
    with early_workers(study, tmp_path) as slots:
        (pid,) = child_pids() - before
        assert slots is not None
        assert pids_of(slots) == [pid]
    assert not psutil.pid_exists(pid)
    with early_workers(study, tmp_path) as slots:
        assert slots is not None
        slots.close()
    assert child_pids() <= before


def test_a_finished_study_starts_none_unless_forced(tmp_path):
    study, study_dir = make_study(execution={"slots": 1}), StudyDir(tmp_path, make_study().name)
    write_record(study_dir.summary_path, summarize(StudyResults(study, make_card(tmp_path), study_dir, {}, [])))
    with early_workers(study, tmp_path) as slots:
        assert slots is None
    with early_workers(study, tmp_path, force=True) as slots:
        assert slots is not None
        assert len(pids_of(slots)) == 1
