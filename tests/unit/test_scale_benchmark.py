"""The page of benchmarks/scale.py: its parts are measured at different times, and what is said of runs over nodes is computed."""

from __future__ import annotations

import pytest

from benchmarks.node_scale import HEADING, RUN_SECONDS, Spread, section
from benchmarks.scale import write_part
from benchmarks.sleeping_slots import SECONDS, SleepingSlots
from bertft_core.records import RunRecord
from bertft_core.storage.study_dir import StudyDir, checked_record
from tests.helpers.small_records import make_card, make_spec, make_study


def test_a_part_takes_the_place_of_the_one_before_and_leaves_the_other(tmp_path):
    page = tmp_path / "scale.md"
    write_part(page, "# Commands\n\nold\n")
    write_part(page, f"{HEADING}\n\nnodes\n")
    write_part(page, "# Commands\n\nnew\n")
    assert page.read_text() == f"# Commands\n\nnew\n\n{HEADING}\n\nnodes\n"


def test_speed_up_and_overhead_are_those_of_the_slots():
    perfect = Spread(2, 10, 5 * RUN_SECONDS, 2048.0, 1024)
    assert (perfect.speedup, perfect.overhead_seconds) == (2.0, 0.0)
    late = perfect._replace(wall_seconds=5 * (RUN_SECONDS + 1))
    assert late.overhead_seconds == pytest.approx(1.0)
    assert f"| 2 | 10 | {late.wall_seconds:.1f} | {late.speedup:.2f} | 1.00 | 2 |" in section([late], {"load before": "0.1"})


def test_a_run_that_sleeps_leaves_the_record_of_its_spec(tmp_path, monkeypatch):
    monkeypatch.setenv(SECONDS, "0")
    spec = make_spec(make_study(), make_card(tmp_path))
    run_dir = StudyDir(tmp_path, spec.study).run_dir(spec.digest)
    events: list[dict[str, object]] = []
    with SleepingSlots([{}], tmp_path).lease() as slot:
        slot.run(spec, run_dir, events.append)
    assert checked_record(run_dir / "record.json", RunRecord).digest == spec.digest
    assert [event["kind"] for event in events] == ["started", "ended"]
