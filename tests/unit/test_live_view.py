"""What a terminal shows while a study runs: a line for each running run, one for the finished ones of an arm, links."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from flows.cli.live_view import live_view
from tasks.progress_snapshot import ArmProgress, Snapshot
from tasks.running_runs import RunningRun
from tests.helpers.pseudo_terminal import python_on_terminal

RUN = RunningRun("full · seed 003", "full", "training", 1200, 4500, 0.4123, "accuracy", 0.8612, 312.4, 72.3)
SNAPSHOT = Snapshot(
    stage="seeds",
    done=3,
    planned=10,
    failed=1,
    reused=0,
    running=(RUN, replace(RUN, title="features · seed 004", doing="predicting", step=4500)),
    trained=0,
    total_done=3,
    total_planned=10,
    seconds_elapsed=42.0,
    seconds_left=130.0,
    arms=(ArmProgress("full", 2, 5, "accuracy", (0.88, 0.91)), ArmProgress("features", 1, 5, "accuracy", (0.8,))),
    links=(("Prefect", "http://127.0.0.1:4200/runs"),),
)


def shown(snapshot: Snapshot, width: int = 80, height: int = 24, *, blocks: bool = True) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(live_view("reviews", snapshot, width=width, height=height, blocks=blocks))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_longer_than_the_terminal_is_wide(width):
    assert max(map(len, shown(SNAPSHOT, width))) <= width


def test_there_is_a_line_for_each_running_run_and_one_for_the_finished_runs_of_an_arm():
    assert shown(SNAPSHOT, 120) == [
        "reviews: training over seeds · 3/10 runs · 1 failed",
        "███████░░░░░░░░░░░░░░░░░ 0:42 · about 2:10 left",
        "  full · seed 003      1200/4500 steps  loss 0.412  accuracy 0.861  312 examples/s   1:12 left",
        "  features · seed 004  4500/4500 steps  loss 0.412  accuracy 0.861  312 examples/s  predicting",
        "  full      2/5 done  validation accuracy 0.880 to 0.910",
        "  features  1/5 done  validation accuracy 0.800",
        "  Prefect   http://127.0.0.1:4200/runs",
    ]


def test_before_the_first_step_the_workers_are_starting():
    waiting = replace(SNAPSHOT, running=(), done=0, failed=0, seconds_left=None, arms=(), links=())
    assert shown(waiting) == [
        "reviews: training over seeds · 0/10 runs · workers are starting",
        "███████░░░░░░░░░░░░░░░░░ 0:42 · time left unknown yet",
    ]
    assert "starting" not in shown(replace(waiting, trained=1))[0]
    assert "starting" not in shown(replace(waiting, done=1))[0], "between two runs"


def test_a_narrow_terminal_keeps_steps_score_and_time():
    (line,) = [line for line in shown(SNAPSHOT, 80) if "seed 003" in line]
    assert line == "  full · seed 003      1200/4500 steps  loss 0.412  accuracy 0.861   1:12 left"
    (line,) = [line for line in shown(SNAPSHOT, 60) if "seed 003" in line]
    assert line == "  full · seed 003      1200/4500  accuracy 0.861   1:12 left"


def test_a_run_in_training_never_has_no_time_left():
    lines = shown(replace(SNAPSHOT, running=(replace(RUN, seconds_left=0.2),)))
    assert any("0:01 left" in line for line in lines)


def test_more_runs_than_lines_are_counted():
    lines = shown(replace(SNAPSHOT, running=(RUN,) * 30), height=24)
    assert sum("seed 003" in line for line in lines) == 14
    assert "  and 16 more at once" in lines
    assert len(lines) <= 24


def test_names_cannot_steer_the_terminal_and_no_blocks_are_needed():
    lines = shown(replace(SNAPSHOT, running=(replace(RUN, title="\x1b[2Jfull\n[red]x"),)), 120, blocks=False)
    assert any("\\u001b[2Jfull\\u000a[red]x" in line for line in lines)
    assert lines[1].startswith("#######-----------------")


TRAINING = """
import sys, threading
from flows.cli.console import shown
from tasks.progress import StudyProgress
from tests.helpers.small_records import make_card, make_spec, make_study
from pathlib import Path
study, card = make_study(), make_card(Path("."))
progress = StudyProgress()
progress.plan("seeds", "features", 2)
progress.enter("seeds")
first, second = (make_spec(study, card, "features", index) for index in range(2))
for spec in (first, second):
    progress.on_event(spec, {"kind": "started", "planned_steps": 40, "resumed_from_step": None})
    progress.on_event(spec, {"kind": "step", "step": 10, "loss": 0.5})
progress.on_event(first, {"kind": "ended", "status": "ok"})
progress.link("Prefect", "http://127.0.0.1:4200/runs")
with shown(progress, study.name):
    sys.stdin.readline()
print("the table")
"""


def test_on_a_terminal_the_view_is_live_and_gone_at_the_end():
    training = python_on_terminal(TRAINING, columns=120)
    seen = training.until("127.0.0.1:4200")
    assert "features · seed 001  10/40 steps  loss 0.500" in seen
    assert "seed 000" not in seen, "a run that has ended is beside the next one no more"
    assert "1 more trained" in seen
    training.send("\n")
    assert training.ended().rstrip().endswith("the table")
    assert training.process.returncode == 0


def test_a_terminal_that_cannot_rewrite_lines_gets_plain_ones():
    training = python_on_terminal(TRAINING, TERM="dumb")
    assert "] training over seeds · 0/2 runs" in training.until("features · seed 001 25%")
    training.send("\n")
    assert "127.0.0.1:4200" not in training.ended()
