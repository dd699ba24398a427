"""What is in MLflow's store after interruptions that no command brings about at will: calls that fail half-way, lost batches."""

from __future__ import annotations

import io
import json
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from bertft_core.planning.run_specs import plan_trial
from bertft_core.records import RunRecord
from bertft_core.storage.predictions import read_predictions
from bertft_core.storage.study_dir import StudyDir, write_record
from tasks.guard import watch
from tasks.tracking import tracker, writer_thread
from tasks.tracking.mlflow_runs import MlflowRuns
from tasks.tracking.mlflow_store import repair_killed_runs
from tasks.tracking.run_log import MlflowRunLog
from tasks.tracking.study_log import StudyLog
from tasks.tracking.tracker import Tracker
from tests.helpers.small_records import make_card, make_record, make_spec, make_study, make_sweep


class Home:
    """A home with a study's records, and MLflow's store of it."""

    def __init__(self, folder: Path, shared: Path) -> None:
        shutil.copy(shared / "mlflow.db", folder)
        self.study, self.card = make_study(), make_card(folder)
        self.dir = StudyDir(folder, self.study.name)
        self.dir.path.mkdir(parents=True)
        self.dir.config_path.write_text(self.study.model_dump_json())
        self.client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")

    def record(self, index: int = 0, **changes: Any) -> RunRecord:
        return make_record(make_spec(self.study, self.card, index=index), self.card, self.dir, **changes)

    def log(self, session: str = "first") -> StudyLog:
        opened = StudyLog(self.study, self.dir, session)
        opened.log_data(self.card)
        return opened

    def logged(self, record: RunRecord, session: str = "first") -> StudyLog:
        """A log that holds this record."""
        opened = self.log(session)
        opened.runs.log_record(record, opened.parent_of(record.spec), 1)
        return opened

    def curve(self, record: RunRecord, metric: str = "train/loss") -> list[tuple[int, float]]:
        run = self.run_of(record)
        return sorted((point.step, point.value) for point in self.client.get_metric_history(run.info.run_id, metric))

    def store(self) -> tuple[MlflowClient, str]:
        return self.client, self.client.get_experiment_by_name(self.study.name).experiment_id

    def run_of(self, record: RunRecord) -> Any:
        client, experiment = self.store()
        (run,) = client.search_runs([experiment], f"tags.`bertft.run_digest` = '{record.digest}'")
        return run


@pytest.fixture
def home(tmp_path, shared) -> Home:
    return Home(tmp_path, shared)


def events_of(home: Home, record: RunRecord) -> list[dict[str, Any]]:
    lines = (home.dir.run_dir(record.digest) / "curves.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_gap_that_a_lost_batch_left_is_filled_from_the_record(home):
    record = home.record()
    log = home.log()
    log.runs.begin(record.spec, log.parent_of(record.spec))
    steps = events_of(home, record)
    log.runs.log_events(record.spec, steps[:3], 1)
    log.runs.log_events(record.spec, steps[6:8], 2)  # the batch between them never arrived
    log.runs.log_record(record, log.parent_of(record.spec), 3)
    assert [step for step, _ in home.curve(record)] == list(range(1, 11))
    assert [step for step, _ in home.curve(record, "validation/accuracy")] == [5, 10]


def given_up(call: Any) -> Any:
    """The server carries it out, but so late that its client hears nothing of it."""

    def late(*words: Any, **options: Any) -> None:
        call(*words, **options)
        raise ConnectionError("no answer in time")

    return late


def test_points_that_a_server_took_without_a_word_are_there_once(home, monkeypatch):
    record = home.record()
    log = home.log()
    log.runs.begin(record.spec, log.parent_of(record.spec))
    with monkeypatch.context() as patch:
        patch.setattr(type(log._runs.client), "log_batch", given_up(MlflowClient.log_batch))
        with pytest.raises(ConnectionError):
            log.runs.log_events(record.spec, events_of(home, record)[:3], 1)
        with pytest.raises(ConnectionError):
            log.runs.log_record(record, log.parent_of(record.spec), 2)
    log.runs.log_record(record, log.parent_of(record.spec), 3)
    run = home.run_of(record)
    histories = {name: home.client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    assert [step for step, _ in home.curve(record)] == list(range(1, 11))
    assert {name for name, points in histories.items() if len(points) != len({point.step for point in points})} == set()
    assert log._runs._tried == {}


def test_a_run_that_a_server_made_without_a_word_is_there_once(home, monkeypatch):
    record = home.record()
    log = home.log()
    with monkeypatch.context() as patch:
        patch.setattr(type(log._runs.client), "create_run", given_up(MlflowClient.create_run))
        with pytest.raises(ConnectionError):
            log.runs.begin(record.spec, log.parent_of(record.spec))
    log.runs.log_record(record, log.parent_of(record.spec), 1)
    log.finish("FINISHED")
    assert home.run_of(record).data.tags["bertft.status"] == "ok"


def test_curves_that_wait_for_a_slow_store_reach_it_together(home, monkeypatch):
    record, busy, calls = home.record(), threading.Event(), []
    monkeypatch.setattr(tracker, "FLUSH_SECONDS", -1.0)
    log_events = MlflowRunLog.log_events
    monkeypatch.setattr(MlflowRunLog, "log_events", lambda log, *of: (calls.append(of), log_events(log, *of)))
    tracking = Tracker(home.study, home.dir)
    tracking._writer.post(lambda: busy.wait(30))
    with tracking.run_of(record.spec) as on_event:
        for event in events_of(home, record):
            on_event(event)
    busy.set()
    tracking.finish("FINISHED")
    assert tracking.problems == []
    assert len(calls) <= 2, "one that waits, and the one at the end"
    assert [step for step, _ in home.curve(record)] == list(range(1, 11))


def test_what_an_earlier_command_has_logged_is_not_logged_again(home):
    record = home.record()
    log = home.log()
    log.runs.begin(record.spec, log.parent_of(record.spec))
    log.runs.log_events(record.spec, events_of(home, record)[:6], 1)
    again = home.log("second")
    again.runs.begin(record.spec, again.parent_of(record.spec))
    again.runs.log_events(record.spec, events_of(home, record)[3:8], 2)
    again.runs.log_record(record, again.parent_of(record.spec), 3)
    assert [step for step, _ in home.curve(record)] == list(range(1, 11))
    assert home.run_of(record).info.status == "FINISHED"


def test_a_run_whose_settings_never_arrived_gets_them_with_the_next_try(home, monkeypatch):
    record = home.record()
    log = home.log()
    with monkeypatch.context() as patch:
        patch.setattr(type(log._runs.client), "log_batch", refuse)
        with pytest.raises(ConnectionError):
            log.runs.begin(record.spec, log.parent_of(record.spec))
    assert home.run_of(record).data.params == {}
    log.runs.begin(record.spec, log.parent_of(record.spec))
    run = home.run_of(record)
    assert run.data.params["seed_index"] == "0"
    assert [item.dataset.digest for item in run.inputs.dataset_inputs] == [home.card.fingerprint[:36]]


def test_the_input_of_a_run_is_the_data_of_its_arm(home):
    first, second = home.study.arms
    card = home.card.model_copy(update={"arms": {second: home.card.model_copy(update={"fingerprint": "b" * 64})}})
    records = [make_record(make_spec(home.study, card, arm=arm), card, home.dir) for arm in (first, second)]
    log = home.log()
    log.log_data(card)
    for record in records:
        log.runs.begin(record.spec, log.parent_of(record.spec))
    inputs = [[one.dataset.digest for one in home.run_of(record).inputs.dataset_inputs] for record in records]
    assert inputs == [[home.card.fingerprint[:36]], ["b" * 36]]


def refuse(*_: Any, **__: Any) -> None:
    raise ConnectionError("away")


@pytest.mark.parametrize("system_metrics", [True, False])
def test_what_a_run_uses_of_its_machine_is_logged_while_it_trains_where_it_is_asked_for(home, system_metrics):
    home.study = make_study(tracking={"system_metrics": system_metrics})
    record, opened = home.record(), home.log()
    opened.runs.begin(record.spec, opened.study_run_id)
    load = {"kind": "system", "step": 3, "numbers": {"process_cpu_percentage": 97.5}}
    opened.runs.log_events(record.spec, [load, {**load, "step": 5}], 1)
    opened.runs.log_record(record, opened.study_run_id, 2)
    expected = [(3, 97.5), (5, 97.5)] if system_metrics else []
    assert home.curve(record, "system/process_cpu_percentage") == expected
    assert home.curve(record), "the curves are there as ever"


def test_a_record_is_logged_once_until_it_is_another_record(home):
    failed = home.record(status="failed", error="the worker was killed")
    log = home.logged(failed)
    assert home.run_of(failed).info.status == "FAILED"
    better = home.record().model_copy(update={"ended_at": "2026-01-02T00:00:00Z"})
    log.runs.catch_up(better, log.parent_of(better.spec), 2)
    run = home.run_of(better)
    assert (run.info.status, run.data.tags["bertft.status"]) == ("FINISHED", "ok")
    end = run.info.end_time
    log.runs.catch_up(better, log.parent_of(better.spec), 3)
    assert home.run_of(better).info.end_time == end


def test_a_run_takes_as_long_as_it_took_whenever_its_record_is_logged(home):
    times = {"started_at": "2099-01-02T00:00:00+00:00", "ended_at": "2099-01-02T00:00:02.5+00:00"}
    record = home.record().model_copy(update=times)
    home.logged(record)
    info = home.run_of(record).info
    assert info.start_time == datetime(2099, 1, 2, tzinfo=UTC).timestamp() * 1000
    assert info.end_time - info.start_time == 2500


def test_a_run_that_is_begun_late_began_when_it_did(home):
    record, log = home.record(), home.log()
    log.runs.begin(record.spec, log.study_run_id, 1_500_000_000_000)
    assert home.run_of(record).info.start_time == 1_500_000_000_000


@pytest.mark.parametrize("killed_in", ["end", "tag"])
def test_a_run_whose_logging_a_kill_cut_short_is_finished_by_the_next_command(home, monkeypatch, killed_in):
    record = home.record()
    with monkeypatch.context() as patch:
        patch.setattr(MlflowRuns, killed_in, refuse)
        with pytest.raises(ConnectionError):
            home.logged(record)
    left = {"full · seed 000", "small"} if killed_in == "end" else {"small"}
    assert set(repair_killed_runs(*home.store(), session="first")) == left
    assert "bertft.logged" not in home.run_of(record).data.tags, "it is the last thing that is written"
    log = home.log("second")
    log.runs.catch_up(record, log.parent_of(record.spec), 2)
    run = home.run_of(record)
    assert (run.info.status, run.data.tags["bertft.logged"]) == ("FINISHED", record.ended_at)
    assert [step for step, _ in home.curve(record)] == list(range(1, 11))


def test_what_was_taken_for_left_open_though_it_was_logged_gets_its_status_again(home):
    record, sweep = home.record(), make_sweep(home.dir).model_copy(update={"storage_path": None, "report_path": None})
    first = home.logged(record)
    first.log_search(sweep)
    search = first._runs.id_of(sweep.digest)
    for run_id in (search, home.run_of(record).info.run_id):
        home.client.set_terminated(run_id, "KILLED")
    log = home.log("second")
    log.log_search(sweep)
    log.runs.catch_up(record, log.parent_of(record.spec), 2)
    assert home.run_of(record).info.status == "FINISHED"
    assert home.client.get_run(search).info.status == "FINISHED"


def test_a_guard_leaves_alone_what_the_next_command_has_ended_or_gone_on_with(home, monkeypatch):
    """It found the runs of its session RUNNING, and the next command was faster."""
    ended, going_on = home.record(), home.record(1)
    log = home.log()
    for record in (ended, going_on):
        log.runs.begin(record.spec, log.parent_of(record.spec))
    found = [home.run_of(record) for record in (ended, going_on)]
    second = home.logged(ended, "second")
    second.runs.begin(going_on.spec, second.parent_of(going_on.spec))
    with monkeypatch.context() as patch:
        patch.setattr("tasks.tracking.mlflow_store.runs_where", lambda *_: found)
        assert repair_killed_runs(*home.store(), session="first") == []
    assert [home.run_of(record).info.status for record in (ended, going_on)] == ["FINISHED", "RUNNING"]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))  # as when its parent was killed
    watch(str(home.dir.home_dir), "", home.study.name, "second")
    assert [home.run_of(record).info.status for record in (ended, going_on)] == ["FINISHED", "KILLED"]


def test_a_discard_that_comes_late_leaves_what_came_in_its_place(home, monkeypatch):
    record = home.record()
    home.logged(record)
    second = home.logged(record, "second")
    second.runs.discard(record.digest)
    assert home.run_of(record).info.status == "FINISHED"
    third = home.log("third")
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "delete_run", refuse)
        with pytest.raises(ConnectionError):
            third.runs.discard(record.digest)
    third.runs.discard(record.digest)  # as the writer tries again
    client, experiment = home.store()
    assert client.search_runs([experiment], "tags.`bertft.stage` = 'seeds'") == []


def test_of_two_runs_with_one_digest_the_newest_counts(home):
    record = home.record()
    old = home.logged(record)._runs.id_of(record.digest)
    tags = home.run_of(record).data.tags
    new = home.client.create_run(home.store()[1], tags={name: value for name, value in tags.items() if name.startswith("bertft")})
    assert home.log("second")._runs.id_of(record.digest) == new.info.run_id != old


def test_a_search_whose_beginning_was_missed_does_not_begin_after_its_end(home, monkeypatch):
    monkeypatch.setattr(writer_thread, "FIRST_PAUSE_SECONDS", 0.0)
    sweep = make_sweep(home.dir).model_copy(update={"storage_path": None, "report_path": None})
    tracker, start, fail = Tracker(home.study, home.dir), StudyLog.start_search, iter([True] * writer_thread.TRIES)
    monkeypatch.setattr(StudyLog, "start_search", lambda *words: refuse() if next(fail, False) else start(*words))
    tracker.start_search("full", sweep.digest)
    tracker.log_search(sweep)
    tracker.finish("FINISHED")
    client, experiment = home.store()
    (search,) = client.search_runs([experiment], f"tags.`bertft.search_digest` = '{sweep.digest}'")
    assert search.info.status == "FINISHED"


def test_a_record_that_comes_late_does_not_undo_what_its_run_ended_with(home, monkeypatch):
    monkeypatch.setattr(writer_thread, "FIRST_PAUSE_SECONDS", 0.0)
    tracker, log_record, fail = Tracker(home.study, home.dir), MlflowRunLog.log_record, iter([True] * writer_thread.TRIES)
    monkeypatch.setattr(MlflowRunLog, "log_record", lambda *words: refuse() if next(fail, False) else log_record(*words))
    tracker.log_record(home.record(status="pruned"))
    ended = home.record().model_copy(update={"ended_at": "2026-01-02T00:00:00Z"})
    write_record(home.dir.run_dir(ended.digest) / "record.json", ended)
    tracker.log_record(ended)
    tracker.finish("FINISHED")
    assert tracker.problems == []
    tags = home.run_of(ended).data.tags
    assert (tags["bertft.status"], tags["bertft.logged"]) == ("ok", ended.ended_at)


def test_a_runs_files_come_back_from_mlflow(home):
    record = home.record()
    log = home.logged(record)
    run_dir = home.dir.run_dir(record.digest)
    before = {path.relative_to(run_dir): path.read_bytes() for path in run_dir.rglob("*") if path.is_file()}
    shutil.rmtree(run_dir)
    assert log.runs.restore(record.digest, run_dir) == record
    assert {path.relative_to(run_dir): path.read_bytes() for path in run_dir.rglob("*") if path.is_file()} == before
    assert len(read_predictions(run_dir / record.predictions["best"]["test"])) == 40
    assert log.runs.restore("0" * 64, run_dir) is None


def test_trials_lie_below_their_search_and_a_search_logged_before_is_found_again(home):
    sweep = make_sweep(home.dir).model_copy(update={"storage_path": None, "report_path": None})
    spec = plan_trial(home.study, home.card, "full", sweep.chosen, trial=0)[0]
    record = make_record(spec, home.card, home.dir)
    for session in ("first", "second"):
        log = home.log(session)
        log.log_search(sweep)
        log.runs.catch_up(record, log.parent_of(record.spec), 1)
    client, experiment = home.store()
    (search,) = client.search_runs([experiment], "tags.`bertft.stage` = 'search' and tags.`bertft.search_digest` LIKE '5%'")
    assert home.run_of(record).data.tags["mlflow.parentRunId"] == search.info.run_id
    assert search.data.metrics["best_trial"] == 0
    assert search.info.status == "FINISHED"


def test_with_another_design_the_seeds_and_the_search_move_below_the_new_parent(home):
    record, sweep = home.record(), make_sweep(home.dir).model_copy(update={"storage_path": None, "report_path": None})
    first = home.logged(record)
    first.log_search(sweep)
    home.study = home.study.model_copy(update={"seed": 1})
    log = home.log("second")
    log.log_search(sweep)
    log.runs.catch_up(record, log.parent_of(record.spec), 2)
    parent = log.parent_of(record.spec)
    assert parent != first.parent_of(record.spec)
    assert home.run_of(record).data.tags["mlflow.parentRunId"] == parent
    search = home.client.get_run(log.start_search("full", sweep.digest))
    assert search.data.tags["mlflow.parentRunId"] == parent


def test_a_session_that_ends_leaves_no_run_open_but_those_of_others(home):
    record = home.record()
    log = home.log()
    log.runs.begin(record.spec, log.parent_of(record.spec))
    log.finish("FAILED")
    assert home.run_of(record).info.status == "KILLED"
    assert home.client.get_run(log.parent_of(record.spec)).info.status == "FAILED"


def test_a_store_that_comes_back_gets_everything_at_the_end(home, monkeypatch):
    """Away until the catching up, so that nothing but the records is left to log from."""
    monkeypatch.setattr(writer_thread, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(writer_thread, "AWAY_SECONDS", 0.0)
    record, tracker = home.record(), Tracker(home.study, home.dir)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.tracking.study_log.MlflowRuns", refuse)
        tracker.start()
        tracker.log_data(home.card)
        assert tracker.restore(record.digest, home.dir.run_dir(record.digest)) is None
        with tracker.run_of(record.spec) as on_event:
            on_event({"kind": "step", "step": 1, "loss": 0.5, "learning_rate": 0.1, "grad_norm": None})
        tracker.log_record(record)
        while tracker._writer._jobs.qsize():
            pass
    tracker.catch_up([record])
    tracker.finish("FINISHED")
    assert tracker.problems == [], "what was missed has been made up for"
    run = home.run_of(record)
    assert run.info.status == "FINISHED"
    assert run.data.params["seed_index"] == "0"
    assert [step for step, _ in home.curve(record)] == list(range(1, 11))
    assert [item.dataset.digest for item in run.inputs.dataset_inputs] == [home.card.fingerprint[:36]]


def test_a_restore_that_fails_is_a_problem_reported_and_not_an_error(home, monkeypatch):
    record = home.record()
    home.logged(record).finish("FINISHED")
    tracker = Tracker(home.study, home.dir)
    tracker.start()
    monkeypatch.setattr(MlflowClient, "list_artifacts", refuse)
    assert tracker.restore(record.digest, home.dir.run_dir(record.digest)) is None
    tracker.finish("FINISHED")
    assert tracker.problems == ["ConnectionError: away"]
