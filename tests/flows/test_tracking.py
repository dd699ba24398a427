"""What MLflow shows of a study, and that it is whole again after its store was away or lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from bertft_core.report.formatting import escapes
from bertft_core.report.prose import study_text, study_title
from tasks.study_lease import user_name
from tasks.tracking.mlflow_store import runs_where
from tests.helpers.study_commands import TinyStudy, clean_environment

MOST_METRICS, MOST_TAGS = 60, 30
"""Of a run by default; MLflow's pages become slow with more."""
AWAY = "http://127.0.0.1:9"
"""Nobody listens there."""


@pytest.fixture(scope="module")
def client(finished) -> MlflowClient:
    return MlflowClient(f"sqlite:///{finished.study.home / 'mlflow.db'}")


@pytest.fixture(scope="module")
def runs(finished, client) -> dict[str, list[Any]]:
    """Stage → MLflow runs of the finished study."""
    experiment = client.get_experiment_by_name(finished.study.name).experiment_id
    found: dict[str, list[Any]] = {}
    for run in runs_where(client, experiment, ""):
        found.setdefault(run.data.tags["bertft.stage"], []).append(run)
    return found


def parent_of(run: Any) -> str | None:
    return run.data.tags.get("mlflow.parentRunId")


def test_the_tree_of_runs(finished, runs):
    (study,) = runs["study"]
    searches = [run for run in runs["search"] if "bertft.search_digest" in run.data.tags]
    trials = [run for run in runs["search"] if "bertft.run_digest" in run.data.tags]
    assert study.info.run_name == finished.study.name
    assert parent_of(study) is None
    assert [(run.info.run_name, parent_of(run)) for run in searches] == [("full · search", study.info.run_id)]
    assert sorted(run.info.run_name for run in runs["seeds"]) == [
        "features · seed 000",
        "features · seed 001",
        "full · seed 000",
        "full · seed 001",
    ]
    assert {parent_of(run) for run in runs["seeds"]} == {study.info.run_id}
    assert {parent_of(run) for run in trials} == {searches[0].info.run_id}
    assert {run.data.tags["bertft.trial"] for run in trials} == {"0", "1"}
    assert {run.info.status for stage in runs.values() for run in stage} == {"FINISHED"}
    digests = [run.data.tags["bertft.run_digest"] for run in runs["seeds"] + trials]
    assert sorted(digests) == sorted(finished.study.records), "one run for each record"


def test_grouping_by_the_setting_gives_the_seeds_of_an_arm_and_nothing_else(runs):
    groups: dict[str, set[str]] = {}
    for run in [run for stage in runs.values() for run in stage]:
        groups.setdefault(run.data.tags.get("bertft.setting_digest", "none"), set()).add(run.info.run_name)
    assert {"features · seed 000", "features · seed 001"} in groups.values()
    assert any({"full · seed 000", "full · seed 001"} <= group for group in groups.values())
    (study,) = runs["study"]
    assert study.info.run_name in groups["none"], "the parent would enter the mean of a group"


def test_a_run_tells_its_seeds_settings_and_origin(finished, runs):
    for run in runs["seeds"]:
        tags, params = run.data.tags, run.data.params
        record = finished.study.records[tags["bertft.run_digest"]]
        seeds = [int(tags[f"bertft.seed.{name}"]) for name in ("init", "order", "dropout")]
        assert seeds == list(record.spec.seeds.model_dump().values())
        assert int(params["seed_index"]) == record.spec.index
        assert float(params["learning_rate"]) == record.spec.training.learning_rate
        assert (tags["bertft.study"], tags["bertft.arm"]) == (finished.study.name, record.spec.arm)
        assert tags["bertft.data_fingerprint"] == record.spec.data_fingerprint
        assert tags["bertft.status"] == record.status
        assert tags["bertft.weights_sha256"] == record.weights_sha256
        (used,) = run.inputs.dataset_inputs
        assert record.spec.data_fingerprint.startswith(used.dataset.digest)


def test_every_page_has_few_numbers_and_no_tag_for_each_package(finished, runs):
    for run in [run for stage in runs.values() for run in stage]:
        assert len(run.data.metrics) <= MOST_METRICS, run.info.run_name
        assert len(run.data.tags) <= MOST_TAGS, run.info.run_name
        assert not any("torch" in name or "transformers" in name for name in run.data.tags)


def test_every_run_says_who_made_it_and_with_what(runs):
    for run in [run for stage in runs.values() for run in stage]:
        assert run.data.tags["mlflow.user"] == user_name()
        assert run.data.tags["mlflow.source.name"] == "bertft"


def test_curves_have_a_point_for_every_step_and_every_validation(finished, runs, client):
    for run in runs["seeds"]:
        record = finished.study.records[run.data.tags["bertft.run_digest"]]
        for name in ("train/loss", "train/learning_rate"):
            steps = [point.step for point in client.get_metric_history(run.info.run_id, name)]
            assert steps == list(range(1, record.n_steps + 1)), name
        points = {point.step: point.value for point in client.get_metric_history(run.info.run_id, "validation/accuracy")}
        assert record.untrained is not None
        evaluations = (record.untrained, *record.evaluations)
        assert points == {evaluation.step: evaluation.metrics["accuracy"] for evaluation in evaluations}
        assert client.get_metric_history(run.info.run_id, "train/learning_rate")[-1].value < record.spec.training.learning_rate


def test_final_numbers_and_files_of_a_run(finished, runs, client):
    for run in runs["seeds"]:
        record = finished.study.records[run.data.tags["bertft.run_digest"]]
        assert run.data.metrics["best/test/accuracy"] == record.best["test"]["accuracy"]
        assert run.data.metrics["best/validation/log_loss"] == record.best["validation"]["log_loss"]
        assert run.data.metrics["final/validation/accuracy"] == record.final["validation"]["accuracy"]
        logged = json.loads(Path(client.download_artifacts(run.info.run_id, "record.json")).read_text())
        assert logged["final"]["validation"] == record.final["validation"], "what is no metric is in a file"
        assert logged["environment"]["packages"]["torch"] == record.environment.packages["torch"]
        assert {"record.json", "curves.jsonl", "predictions"} <= {item.path for item in client.list_artifacts(run.info.run_id)}
        files = {path for splits in record.predictions.values() for path in splits.values()}
        folders = {str(Path(path).parent) for path in files}
        assert files == {item.path for folder in folders for item in client.list_artifacts(run.info.run_id, folder)}


def test_the_parent_has_statistics_report_data_and_provenance(finished, runs, client):
    (study,) = runs["study"]
    row = next(
        row
        for row in finished.study.summary.arms[1].metrics
        if (row.split, row.checkpoint, row.metric, row.collapsed_included) == ("test", "best", "accuracy", True)
    )
    metrics = study.data.metrics
    at = "summary/full/best/test/accuracy"
    assert (metrics[f"{at}/mean"], metrics[f"{at}/sd"], metrics[f"{at}/n"]) == (row.mean, row.sd, 2)
    assert not any(name.startswith(("best/", "final/")) for name in metrics)
    artifacts = {item.path for item in client.list_artifacts(study.info.run_id)}
    assert {"report", "provenance", "data_card.json", "config.json"} <= artifacts
    assert {item.path for item in client.list_artifacts(study.info.run_id, "report")} >= {"report/report.html", "report/runs.csv"}
    tables = {item.path for item in client.list_artifacts(study.info.run_id, "report/tables")}
    assert tables >= {f"report/tables/results.{ending}" for ending in ("tex", "md", "csv", "json")}
    assert "report/figures/curves_loss.svg" in {i.path for i in client.list_artifacts(study.info.run_id, "report/figures")}
    assert "provenance/packages.txt" in {item.path for item in client.list_artifacts(study.info.run_id, "provenance")}
    assert [used.dataset.digest for used in study.inputs.dataset_inputs] == [finished.study.summary.data_fingerprint[:36]]
    experiment = client.get_experiment(study.info.experiment_id)
    note = study.data.tags["mlflow.note.content"]
    assert note.startswith(escapes.markdown(str(study_title.answer(finished.study.summary)))), "all that the list of MLflow shows"
    assert note == experiment.tags["mlflow.note.content"]
    assert escapes.markdown(study_text.sentences(finished.study.summary)[0]) in note.split("|")[0], (
        "the answer is before the table"
    )
    view = json.loads(experiment.tags["mlflow.sharedViewState.bertft"])
    assert "metrics.`best/test/accuracy`" in view["selectedColumns"]


def test_the_search_has_its_choice_and_the_optuna_report(finished, runs, client, tmp_path):
    (search,) = [run for run in runs["search"] if "bertft.search_digest" in run.data.tags]
    chosen = finished.study.summary.arms[1].chosen
    assert {name: search.data.tags[f"bertft.chosen.{name}"] for name in chosen} == {k: str(v) for k, v in chosen.items()}
    logged = Path(client.download_artifacts(search.info.run_id, "report.html", str(tmp_path)))
    (report,) = finished.study.dir.path.glob("sweep/*/report.html")
    assert logged.read_bytes() == report.read_bytes()
    result = Path(client.download_artifacts(search.info.run_id, "result.json", str(tmp_path)))
    assert json.loads(result.read_text())["chosen"] == chosen
    (journal,) = finished.study.dir.path.glob("sweep/*/journal.log")
    noted = journal.read_text()
    trained = [run.info.run_id for run in runs["search"] if "bertft.run_digest" in run.data.tags]
    assert len(trained) >= 2
    for run_id in (search.info.run_id, *trained):
        assert f"`{run_id}`" in noted, "Optuna's own pages say which runs of MLflow a trial is"


LOADING = """
import json, sys
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
pipeline = mlflow.transformers.load_model(sys.argv[2])
print(json.dumps([answer["label"] for answer in pipeline(["the film was great", "the film was awful"])]))
"""


def test_a_kept_model_is_opened_by_mlflow_and_answers_with_the_names_of_the_labels(finished, runs):
    with_model = [run for run in runs["seeds"] if "bertft.model" in run.data.tags]
    assert sorted(run.data.tags["bertft.arm"] for run in with_model) == ["features", "full"], "the best seed of each arm"
    full = next(run for run in with_model if run.data.tags["bertft.arm"] == "full")
    store = f"sqlite:///{finished.study.home / 'mlflow.db'}"
    ended = subprocess.run(
        [sys.executable, "-c", LOADING, store, f"runs:/{full.info.run_id}/{finished.study.name}-full"],
        env=clean_environment(HF_HUB_OFFLINE="1"),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert ended.returncode == 0, ended.stderr
    answers = json.loads(ended.stdout.splitlines()[-1])
    assert len(answers) == 2
    assert set(answers) <= {"negative", "positive"}


# ---- the store is away, lost, or shared --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(new_study) -> TinyStudy:
    """A study whose first run finds no store."""
    study = new_study()
    study.first = study.run("--set", f"tracking.uri={AWAY}")  # type: ignore[attr-defined]
    return study


def whole_in_mlflow(study: TinyStudy) -> bool:
    """Every record is there once, with all its steps."""
    client = MlflowClient(f"sqlite:///{study.home / 'mlflow.db'}")
    found = {run.data.tags["bertft.run_digest"]: run for run in study.runs()}
    assert len(study.runs()) == len(found)
    assert found.keys() == study.records.keys()
    for digest, record in study.records.items():
        steps = [point.step for point in client.get_metric_history(found[digest].info.run_id, "train/loss")]
        assert steps == list(range(1, record.n_steps + 1))
        assert found[digest].info.status == "FINISHED"
        assert len(found[digest].inputs.dataset_inputs) == 1
    (parent,) = study.runs("study")
    return parent.info.status == "FINISHED" and any(name.startswith("summary/") for name in parent.data.metrics)


def records_written(study: TinyStudy) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in study.dir.path.glob("runs/*/record.json")}


def test_a_store_that_is_away_costs_a_warning_and_nothing_else(small):
    assert len(small.records) == 2
    assert all(record.finished for record in small.records.values())
    warnings = [line for line in small.first.stderr.splitlines() if line.startswith("warning")]
    assert warnings
    assert all("MLflow" in line and "the same command logs what is missing" in line for line in warnings)
    assert "full" in small.first.stdout


def test_what_a_store_missed_is_logged_from_the_records_by_the_next_command(small):
    before = records_written(small)
    ended = small.run()
    assert "warning" not in ended.stderr
    assert records_written(small) == before
    assert whole_in_mlflow(small)


@pytest.mark.slow
def test_a_store_that_was_deleted_is_filled_again(small):
    before = records_written(small)
    (small.home / "mlflow.db").unlink()
    small.run()
    assert records_written(small) == before
    assert whole_in_mlflow(small)


@pytest.mark.slow  # tests/flows/test_damaged_studies.py has one run's folder come back from MLflow
def test_runs_that_were_deleted_come_back_from_mlflow(small):
    records, summary = small.records, small.summary
    shutil.rmtree(small.dir.path / "runs")
    small.run()
    assert small.records == records
    assert small.summary == summary
    assert not list(small.dir.path.glob("runs/*/spec.json")), "no worker was given a run"
    assert whole_in_mlflow(small)


OPENING = """
import sys
from pathlib import Path
from tasks.tracking.mlflow_store import open_store
client, experiment = open_store(Path(sys.argv[1]), None, sys.argv[2])
client.create_run(experiment, run_name=sys.argv[2])
"""


def test_studies_that_start_at_once_in_a_new_home_share_its_store(tmp_path):
    """Where the tables are being made by one, the others wait: MLflow itself would leave a broken file."""
    names = ("one", "two")
    commands = [[sys.executable, "-c", OPENING, str(tmp_path), name] for name in names]
    started = [subprocess.Popen(command, env=clean_environment(), stderr=subprocess.PIPE, text=True) for command in commands]
    shown = [process.communicate(timeout=180)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], shown
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    for name in names:
        (run,) = runs_where(client, client.get_experiment_by_name(name).experiment_id, "")
        assert run.info.run_name == name
