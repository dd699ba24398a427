"""MLflow's store after a crash, beside another machine, damaged, and when the study drops a model; without running a study."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from mlflow import MlflowClient

from bertft_core.config import UserError
from bertft_core.records import RunRecord
from bertft_core.records.verification_record import CheckResult, Verification
from bertft_core.storage.study_dir import StudyDir, read_verification, write_record, write_verification
from tasks.process_identity import TAGS, owner_tags, this_process
from tasks.tracking.mlflow_runs import MlflowRuns
from tasks.tracking.mlflow_store import open_existing, open_store, repair_killed_runs
from tasks.tracking.repair_stores import drop_models, recover_verification, repair_mlflow
from tasks.tracking.store_consistency import damages, inconsistencies, repair_helps
from tasks.tracking.study_log import StudyLog
from tasks.tracking.tracker import Tracker
from tests.helpers.small_records import make_card, make_record, make_spec, make_study
from tests.helpers.tiny_encoders import tiny_encoder


@pytest.fixture
def study_dir(tmp_path, shared) -> StudyDir:
    shutil.copy(shared / "mlflow.db", tmp_path)
    study_dir = StudyDir(tmp_path, "small")
    write_record(study_dir.config_path, make_study())
    write_record(study_dir.card_path, make_card(tmp_path))
    return study_dir


def record_of(study_dir: StudyDir, index: int = 0) -> RunRecord:
    card = make_card(study_dir.home_dir)
    return make_record(make_spec(make_study(), card, index=index), card, study_dir)


def client_of(study_dir: StudyDir) -> tuple[MlflowClient, str]:
    client = MlflowClient(f"sqlite:///{study_dir.home_dir / 'mlflow.db'}")
    return client, str(client.get_experiment_by_name("small").experiment_id)


def test_on_a_common_store_only_runs_whose_process_is_gone_here_are_repaired(study_dir):
    me = this_process()
    owners = {
        "alive": me,
        "dead": me.model_copy(update={"pid": 2**22 + 1}),
        "its id was used again": me.model_copy(update={"began": me.began - 1000}),
        "elsewhere": me.model_copy(update={"host": "another-machine", "pid": 2**22 + 1}),
    }
    runs = MlflowRuns(study_dir.home_dir, None, "small", "mine")
    for name, owner in owners.items():
        tags = {tag: str(getattr(owner, field)) for field, tag in TAGS.items()}
        runs.client.create_run(runs.experiment_id, run_name=name, tags=tags)
    runs.client.create_run(runs.experiment_id, run_name="of an older version")
    opened = runs.open("d" * 64, "opened", {"bertft.run_digest": "d" * 64})
    assert runs.client.get_run(opened).data.tags["bertft.pid"] == str(me.pid)
    repaired = repair_killed_runs(runs.client, runs.experiment_id)
    assert set(repaired) == {"dead", "its id was used again"}
    assert set(repair_killed_runs(runs.client, runs.experiment_id, all_dead=True)) == {
        "alive",
        "elsewhere",
        "opened",
        "of an older version",
    }


def test_status_reports_and_repair_corrects_what_mlflow_says_of_runs(study_dir):
    study, done, half = make_study(), record_of(study_dir), record_of(study_dir, 1)
    log = StudyLog(study, study_dir, "killed")
    for record in (done, half):
        log.runs.begin(record.spec, log.parent_of(record.spec))
    log.runs.begin(make_spec(study, make_card(study_dir.home_dir), index=2), log.parent_of(done.spec))
    log.runs.log_record(done, log.parent_of(done.spec), 1)
    client, experiment = client_of(study_dir)
    known = {run.info.run_name: run.info.run_id for run in client.search_runs([experiment])}
    client.set_terminated(known["full · seed 000"], "KILLED")

    lines = inconsistencies(study, study_dir)
    assert "MLflow: full · seed 000 is KILLED; its record says ok" in lines
    assert "MLflow: full · seed 001 is RUNNING; its record says ok" in lines
    assert "MLflow: full · seed 002 is RUNNING, and no command runs it" in lines
    assert "MLflow: small is RUNNING, and no command runs it" in lines
    assert len(lines) == 4

    repaired = repair_mlflow(study, study_dir)
    assert "MLflow: full · seed 002 was left RUNNING, now KILLED" in repaired
    assert "MLflow: full · seed 000 is FINISHED, as its record says" in repaired
    assert "MLflow: full · seed 001 is FINISHED, as its record says" in repaired
    statuses = {run.info.run_name: run.info.status for run in client.search_runs([experiment])}
    assert statuses == {
        "small": "KILLED",
        "full · seed 000": "FINISHED",
        "full · seed 001": "FINISHED",
        "full · seed 002": "KILLED",
    }
    assert len(client.get_metric_history(known["full · seed 001"], "train/loss")) == 10
    assert inconsistencies(study, study_dir) == []
    assert repair_mlflow(study, study_dir) == []


def test_a_comparison_with_other_studies_that_nobody_makes_is_reported_and_one_in_the_making_is_not(study_dir):
    for experiment in ("small", "comparisons"):
        client, experiment_id = open_store(study_dir.home_dir, None, experiment)
        for name, pid in (("alive", this_process().pid), ("dead", 2**22 + 1)):
            tags = {"bertft.stage": "comparison", "bertft.studies": "other, small"} | owner_tags() | {TAGS["pid"]: str(pid)}
            client.create_run(experiment_id, run_name=f"{name} in {experiment}", tags=tags)
    lines = [f"MLflow: dead in {experiment} is RUNNING, and no command runs it" for experiment in ("small", "comparisons")]
    assert inconsistencies(make_study(), study_dir) == lines
    uri = f"sqlite:///{study_dir.home_dir / 'mlflow.db'}"
    assert inconsistencies(make_study(tracking={"uri": uri}), study_dir) == lines


def test_records_that_mlflow_lacks_are_counted(study_dir):
    dropped = [record_of(study_dir, index).digest for index in range(3)][1:]
    planned, left_out = lines = inconsistencies(make_study(), study_dir, dropped)
    assert planned.startswith("MLflow: 1 of 3 runs with a record are not in it; the next bertft run logs every planned run again")
    assert left_out.startswith("MLflow: 2 of 3 runs with a record are not in it, nor in the study's config; no command logs them")
    assert not repair_helps(lines)


@pytest.mark.parametrize("how", ["another file", "a hole"])
def test_a_damaged_database_is_named_with_what_to_do_and_costs_the_study_nothing(study_dir, how):
    database = study_dir.home_dir / "mlflow.db"
    content = bytearray(database.read_bytes())
    content[4096:40960] = bytes(36864)
    database.write_bytes(b"this is no database" * 99 if how == "another file" else content)
    record = record_of(study_dir)
    (line,) = [damage.line(study_dir.home_dir) for damage in damages(study_dir, None)]
    assert line.startswith("mlflow.db: damaged (")
    assert f"move it away: mv {database} {database}.damaged" in line
    tracker = Tracker(make_study(), study_dir)
    tracker.start()
    tracker.catch_up([record])
    assert tracker.restore(record.digest, study_dir.run_dir(record.digest)) is None
    tracker.finish("FINISHED")
    (problem,) = tracker.problems
    assert f"{database} is damaged" in problem
    assert "move it away" in problem
    database.rename(f"{database}.damaged")
    assert list(damages(study_dir, None)) == []
    tracker = Tracker(make_study(), study_dir)
    tracker.catch_up([record])
    tracker.finish("FINISHED")
    client, experiment = client_of(study_dir)
    assert "full · seed 000" in {run.info.run_name for run in client.search_runs([experiment])}


def test_a_model_that_the_study_drops_is_dropped_from_mlflow_with_its_files(study_dir):
    study, record = make_study(), record_of(study_dir)
    model_dir = study_dir.run_dir(record.digest) / "model"
    _classifier(model_dir)
    log = StudyLog(study, study_dir, "s")
    log.runs.log_record(record, log.parent_of(record.spec), 1)
    client, experiment = client_of(study_dir)
    run_id = str(log._runs.id_of(record.digest))
    cut_short = _model_by_halves(client, experiment, run_id)
    log.runs.log_model(record)
    log.finish("FINISHED")
    assert [model.source_run_id for model in client.search_logged_models([experiment])] == [run_id]
    assert not cut_short.exists()
    stored = study_dir.home_dir / "mlflow-artifacts"
    assert len(list(stored.rglob("model.safetensors"))) == 1
    drop_models(study, study_dir, ["0" * 64, record.digest])
    assert list(stored.rglob("model.safetensors")) == []
    assert client.search_logged_models([experiment]) == []
    assert {run.info.status for run in client.search_runs([experiment])} == {"FINISHED"}
    cut_short = _model_by_halves(client, experiment, run_id)
    client.set_tag(run_id, "bertft.model", "begun")
    drop_models(study, study_dir, [record.digest])
    assert not cut_short.exists()
    again = StudyLog(study, study_dir, "t")
    again.runs.log_model(record)  # it is kept after all
    again.finish("FINISHED")
    assert len(list(stored.rglob("model.safetensors"))) == 1
    StudyLog(study, study_dir, "u").runs.discard(record.digest)  # it is trained again
    assert client.search_logged_models([experiment]) == list(stored.rglob("model.safetensors")) == []


def test_a_model_gets_the_metrics_of_step_0_without_a_request_for_each(study_dir, monkeypatch):
    record = record_of(study_dir)
    untrained = record.evaluations[0].model_copy(update={"step": 0, "epoch": 0.0})
    record = record.model_copy(update={"untrained": untrained})
    _classifier(study_dir.run_dir(record.digest) / "model")
    log = StudyLog(make_study(), study_dir, "s")
    log.runs.log_record(record, log.parent_of(record.spec), 1)
    client, experiment = client_of(study_dir)
    run_id = str(log._runs.id_of(record.digest))
    expected = {
        (point.key, point.value, point.timestamp)
        for key in client.get_run(run_id).data.metrics
        for point in client.get_metric_history(run_id, key)
        if point.step == 0
    }
    asked, history = [], MlflowClient.get_metric_history
    monkeypatch.setattr(MlflowClient, "get_metric_history", lambda self, run, key: asked.append(key) or history(self, run, key))
    counted = MlflowClient.get_metric_history
    log.runs.log_model(record)
    assert MlflowClient.get_metric_history is counted
    (model,) = client.search_logged_models([experiment])
    assert {(metric.key, metric.value, metric.timestamp) for metric in model.metrics} == expected
    assert ("validation/accuracy", untrained.metrics["accuracy"], 1) in expected
    assert sorted(asked) == sorted(["train/epoch", *(f"validation/{name}" for name in untrained.metrics)])
    assert len(asked) < len(expected)


def test_a_run_that_ended_takes_few_calls_of_mlflow(study_dir, monkeypatch):
    record = record_of(study_dir)
    log, calls = StudyLog(make_study(), study_dir, "s"), Counter[str]()
    parent = log.parent_of(record.spec)
    for name in ("create_run", "get_run", "log_batch", "log_inputs", "set_terminated", "update_run", "get_metric_history"):
        called = getattr(MlflowClient, name)

        def count(self, *arguments, name=name, called=called, **options):
            calls[name] += 1
            return called(self, *arguments, **options)

        monkeypatch.setattr(MlflowClient, name, count)
    log.runs.log_record(record, parent, 1)
    assert calls == {"create_run": 1, "log_batch": 3, "set_terminated": 1}, "settings, all numbers, and that it is complete"


def test_a_model_that_cannot_be_logged_leaves_its_run_as_it_was(study_dir, monkeypatch):
    study, record = make_study(), record_of(study_dir)
    _classifier(study_dir.run_dir(record.digest) / "model")
    log = StudyLog(study, study_dir, "s")
    log.runs.log_record(record, log.parent_of(record.spec), 1)
    log = StudyLog(study, study_dir, "t")
    client, _ = client_of(study_dir)
    before = client.get_run(log._runs.id_of(record.digest)).info

    def refuse(**_):
        during = client.get_run(before.run_id)
        assert (during.info.status, during.data.tags["bertft.session"]) == ("RUNNING", "t"), "the guard of this session sees it"
        raise ConnectionError("away")

    monkeypatch.setattr("mlflow.transformers.log_model", refuse)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            log.runs.log_model(record)
        after = client.get_run(before.run_id).info
        assert (after.status, after.end_time) == ("FINISHED", before.end_time)


def test_a_damaged_verification_is_set_aside_for_the_one_in_mlflow_before_more_is_added(study_dir):
    words = dict.fromkeys(("check", "title", "run_digest", "checked_at", "machine"), "x")
    study, done = make_study(), CheckResult(**words, n_steps=1, passed=True)
    path = write_verification(study_dir.path, Verification(checks=(done,)))
    assert recover_verification(study, study_dir) == []
    client, experiment = open_store(study_dir.home_dir, None, "small")
    parent = client.create_run(experiment, tags={"bertft.study_digest": study.digest}).info.run_id
    client.log_artifact(parent, str(path))
    path.write_bytes(path.read_bytes()[:-9])
    (line,) = recover_verification(study, study_dir)
    assert line.startswith("studies/small/verification.json: its content does not fit the checksum")
    assert line.endswith("(set aside as verification.json.damaged)")
    assert read_verification(study_dir.path).checks == (done,)


def test_a_damaged_store_or_one_of_no_known_kind_is_a_message_and_not_a_traceback(study_dir):
    with pytest.raises(UserError, match="no MLflow store at foo://x"):
        open_existing(study_dir.home_dir, "foo://x")
    (study_dir.home_dir / "mlflow.db").write_bytes(b"this is no database" * 99)
    with pytest.raises(UserError, match="move it away"):
        open_existing(study_dir.home_dir, None)


def test_a_prefect_server_that_is_away_is_reported_beside_the_rest(study_dir, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")

    def refuse(*_):
        raise ConnectionError("away")

    monkeypatch.setattr("tasks.prefect_runs.left_flow_runs", refuse)
    lines = inconsistencies(make_study(), study_dir)
    assert lines == ["Prefect: http://127.0.0.1:9/api does not answer (ConnectionError)"]


def _model_by_halves(client: MlflowClient, experiment: str, run_id: str) -> Path:
    """What a kill leaves of a model that is being logged: a file in its folder."""
    model = client.create_logged_model(experiment, name="model", source_run_id=run_id)
    path = Path(model.artifact_location.removeprefix("file://")) / "model" / "model.safetensors"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def _classifier(directory: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    tiny_encoder(directory)
    AutoModelForSequenceClassification.from_pretrained(directory, num_labels=2).save_pretrained(directory)
