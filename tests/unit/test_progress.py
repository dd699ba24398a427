"""How far a study is: counts by stage and arm, the time that is left, and the one line that says it."""

from __future__ import annotations

import pytest

from bertft_core.records import RunRecord, RunSpec
from bertft_core.storage.study_dir import StudyDir
from tasks import progress as module
from tasks.progress import StudyProgress
from tasks.progress_snapshot import clock
from tests.helpers.small_records import make_card, make_record, make_spec, make_study


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def hand_clock(monkeypatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[tuple[str, int], tuple[RunSpec, RunRecord]]:
    """(Arm, seed index) → spec and record."""
    folder = tmp_path_factory.mktemp("runs")
    study, card = make_study(), make_card(folder)
    specs = [make_spec(study, card, arm, index) for arm in ("features", "full") for index in range(3)]
    return {(spec.arm, spec.index): (spec, make_record(spec, card, StudyDir(folder, study.name))) for spec in specs}


@pytest.fixture
def progress(hand_clock) -> StudyProgress:
    """Three seeds of each arm are planned, and their stage has begun."""
    made = StudyProgress()
    for arm in ("features", "full"):
        made.plan("seeds", arm, 3)
    made.enter("seeds")
    return made


def train(progress: StudyProgress, run: tuple[RunSpec, RunRecord], hand_clock: Clock, seconds: float) -> None:
    spec, record = run
    progress.on_event(spec, {"kind": "started", "planned_steps": 10, "resumed_from_step": None})
    hand_clock.now += seconds
    progress.ended(spec, record, reused=False)


def test_before_the_first_run_has_ended_the_time_left_is_unknown(progress):
    snapshot = progress.snapshot()
    assert (snapshot.done, snapshot.planned, snapshot.seconds_left) == (0, 6, None)
    assert snapshot.line() == "training over seeds · 0/6 runs · time left unknown yet"
    assert StudyProgress().snapshot().line() == "preparing the data · time left unknown yet", "nor before anything is planned"


def test_each_run_to_come_takes_as_long_as_its_arms_runs_did(progress, runs, hand_clock):
    train(progress, runs["features", 0], hand_clock, seconds=2)
    assert progress.snapshot().seconds_left == pytest.approx(5 * 2), "no run of the other arm is known: the mean of all"
    train(progress, runs["full", 0], hand_clock, seconds=10)
    assert progress.snapshot().seconds_left == pytest.approx(2 * 2 + 2 * 10)


def test_the_time_left_is_shared_by_the_slots(progress, runs, hand_clock):
    progress.n_slots = 2
    train(progress, runs["full", 0], hand_clock, seconds=10)
    assert progress.snapshot().seconds_left == pytest.approx(5 * 10 / 2)


def test_what_a_running_run_has_done_is_taken_off_and_shown(progress, runs, hand_clock):
    train(progress, runs["full", 0], hand_clock, seconds=10)
    spec, _ = runs["full", 1]
    progress.on_event(spec, {"kind": "started", "planned_steps": 10, "resumed_from_step": None})
    progress.on_event(spec, {"kind": "step", "step": 4})
    progress.on_event(spec, {"kind": "predicting"})
    snapshot = progress.snapshot()
    assert snapshot.seconds_left == pytest.approx(5 * 10 - 4)
    assert snapshot.line() == "training over seeds · 1/6 runs · time left about 0:46 · full · seed 001 40%"


def test_while_a_run_is_left_there_is_time_left(progress, runs, hand_clock):
    for arm, index in list(runs)[:-1]:
        train(progress, runs[arm, index], hand_clock, seconds=10)
    spec, record = list(runs.values())[-1]
    progress.on_event(spec, {"kind": "started", "planned_steps": 10, "resumed_from_step": None})
    progress.on_event(spec, {"kind": "step", "step": 10, "loss": 0.1})
    assert progress.snapshot().seconds_left == 1.0
    progress.ended(spec, record, reused=False)
    assert progress.snapshot().seconds_left == 0.0


def test_a_run_that_its_worker_is_done_with_is_shown_no_more(progress, runs):
    (first, record), (second, _) = runs["full", 0], runs["full", 1]
    for spec in (first, second):
        progress.on_event(spec, {"kind": "started", "planned_steps": 10, "resumed_from_step": None})
    progress.on_event(first, {"kind": "step", "step": 10, "loss": 0.1})
    progress.on_event(first, {"kind": "ended", "status": "ok"})
    snapshot = progress.snapshot()
    assert ([run.title for run in snapshot.running], snapshot.trained, snapshot.done) == ([second.title], 1, 0)
    progress.ended(first, record, reused=False)
    assert (progress.snapshot().trained, progress.snapshot().done) == (0, 1)


def test_what_a_running_run_tells_is_shown(progress, runs, hand_clock):
    spec, _ = runs["full", 0]
    progress.on_event(spec, {"kind": "started", "planned_steps": 40, "resumed_from_step": None})
    for step, loss in ((1, 0.9), (11, 0.4)):
        progress.on_event(spec, {"kind": "step", "step": step, "loss": loss})
        hand_clock.now += 5
    progress.on_event(spec, {"kind": "evaluation", "step": 11, "metrics": {spec.metric: 0.75}})
    (run,) = progress.snapshot().running
    assert (run.loss, run.score, run.doing) == (0.4, 0.75, "training")
    assert run.examples_per_second == pytest.approx(spec.training.batch_size * 10 / 10), "10 s with the validation"
    assert run.seconds_left == pytest.approx(29)
    assert progress.snapshot().seconds_left == pytest.approx(6 * 40 - 11), "until a run has ended, its speed counts"
    progress.on_event(spec, {"kind": "predicting"})
    assert progress.snapshot().running[0].doing == "predicting"


def test_a_second_attempt_has_its_own_speed(progress, runs, hand_clock):
    spec, _ = runs["full", 0]
    progress.on_event(spec, {"kind": "started", "planned_steps": 40, "resumed_from_step": None})
    progress.on_event(spec, {"kind": "step", "step": 1, "loss": 0.9})
    hand_clock.now += 100
    progress.on_event(spec, {"kind": "started", "planned_steps": 40, "resumed_from_step": 20})
    progress.on_event(spec, {"kind": "step", "step": 21, "loss": 0.9})
    hand_clock.now += 1
    progress.on_event(spec, {"kind": "step", "step": 22, "loss": 0.9})
    assert progress.snapshot().running[0].seconds_left == pytest.approx(18)


def test_the_scores_of_finished_runs_are_kept_by_arm(progress, runs, hand_clock):
    for index in range(2):
        train(progress, runs["full", index], hand_clock, seconds=2)
    full = {arm.arm: arm for arm in progress.snapshot().arms}["full"]
    assert (full.done, full.planned, len(full.scores)) == (2, 3, 2)


def test_a_reused_run_counts_as_done_and_says_nothing_about_time(progress, runs):
    for spec, record in runs.values():
        progress.ended(spec, record, reused=True)
    snapshot = progress.snapshot()
    assert (snapshot.done, snapshot.reused, snapshot.total_done, snapshot.total_planned) == (6, 6, 6, 6)
    assert snapshot.seconds_left == 0.0


def test_failed_runs_are_said(progress, runs, hand_clock):
    spec, record = runs["full", 0]
    progress.ended(spec, record.model_copy(update={"status": "failed"}), reused=False)
    assert progress.snapshot().line() == "training over seeds · 1/6 runs · 1 failed · time left unknown yet"


def test_a_later_plan_replaces_an_earlier_one(progress):
    progress.plan("seeds", "full", 1)
    assert progress.snapshot().planned == 4


def test_each_stage_counts_its_own_runs(progress, runs):
    progress.ended(*runs["full", 0], reused=True)
    progress.plan("search", "full", 8)
    progress.enter("search")
    snapshot = progress.snapshot()
    assert (snapshot.done, snapshot.planned, snapshot.total_done, snapshot.total_planned) == (0, 8, 1, 14)


def test_listeners_hear_of_every_stage_and_every_run_that_ends(runs):
    heard = []
    progress = StudyProgress(listeners=[lambda snapshot: heard.append((snapshot.stage, snapshot.total_done))])
    progress.enter("prepare")
    progress.enter("seeds")
    progress.ended(*runs["full", 0], reused=False)
    progress.enter("report")
    assert heard == [("prepare", 0), ("seeds", 0), ("seeds", 1), ("report", 1)]


def test_no_time_is_left_once_the_runs_are_over(progress):
    progress.enter("report")
    assert progress.snapshot().line() == "writing the report"


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "0:00"), (75.2, "1:15"), (3600 + 75, "1:01:15"), (59.6, "1:00")])
def test_a_time_is_said_in_minutes_and_seconds(seconds, words):
    assert clock(seconds) == words


def test_probes_are_counted_in_a_stage_of_their_own_and_no_time_is_promised_for_them(progress, runs, hand_clock):
    for run in runs.values():
        train(progress, run, hand_clock, 10)
    for arm in ("features", "full"):
        progress.plan("probe", arm, 3)
    progress.enter("probe")
    progress.probed(runs["full", 0][0], reused=True)
    progress.probed(runs["full", 1][0], reused=False, failed=True)
    snapshot = progress.snapshot()
    assert (snapshot.done, snapshot.planned, snapshot.failed, snapshot.reused) == (2, 6, 1, 1)
    assert snapshot.seconds_left == 0.0
    assert snapshot.line() == "probing the models · 2/6 runs · 1 failed"
    assert snapshot.total_planned == 12


def test_listeners_hear_of_many_reused_runs_now_and_then_and_of_all_of_them_at_the_next_stage(progress, runs, hand_clock):
    heard = []
    progress.listeners.append(heard.append)
    progress.enter("seeds")
    for spec, record in runs.values():
        progress.ended(spec, record, reused=True)
    assert [snapshot.done for snapshot in heard] == [0]
    hand_clock.now += 1.0
    progress.ended(*runs["full", 0], reused=True)
    progress.enter("evaluate")
    assert [snapshot.total_done for snapshot in heard] == [0, len(runs) + 1, len(runs) + 1]
