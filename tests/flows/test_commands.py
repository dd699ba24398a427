"""The commands one looks with, before a study, while it is unfinished, and after it; none of them trains."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from bertft_core.config import StudyConfig, load_study
from bertft_core.records import StudySummary
from bertft_core.report.text_table import result_table
from bertft_core.storage.predictions import read_predictions
from bertft_core.storage.study_dir import checked_record, write_record
from flows.cli.embedded_server import free_port
from tests.helpers.study_commands import FEATURES, SEARCH, Started, TinyStudy, clean_environment, run_several, still_alive

TITLES = {"MLflow: the study": "MLflow", "Prefect: flow runs": "Prefect", "Optuna: tiny full": "Optuna"}
"""Link → a word of its page."""


def test_plan_says_before_a_study_what_it_would_train_with_time_and_disk(new_study):
    arms = {"features": FEATURES, "full": {"search": SEARCH}}
    study = new_study(arms=arms, seeds={"n": 2, "repeats": 3}, retention={"budget_gib": 0.5})
    shown = study.command("plan", str(study.config)).stdout
    assert re.search(r"features +repeats +3 runs to train, 0 done", shown)
    assert "the worst go when models take more than 0.5 GiB" in shown
    assert "tiny: 2 arms × 2 seeds" in shown
    assert re.search(r"full +search +4 runs to train, 0 done +about \d+:\d\d", shown)
    assert re.search(r"features +seeds +2 runs to train, 0 done", shown)
    assert re.search(r"time   about \d+:\d\d, estimated from the size of the model", shown)
    assert re.search(r"disk   [\d.]+ (KiB|MiB) while it runs, in .*home \([\d.]+ GiB free\)", shown)
    assert not study.records
    assert not (study.dir.path / "runs").exists()


def test_plan_says_of_a_finished_study_that_nothing_is_left_and_of_more_seeds_what_is(finished):
    study = finished.study
    shown = study.command("plan", str(study.config)).stdout
    assert "nothing to train; a run would only rebuild the report" in shown
    assert re.search(r"full +search +0 runs to train, \d done +nothing to train", shown)
    more = study.command("plan", str(study.config), "--set", "seeds.n=5").stdout
    assert re.search(r"full +seeds +3 runs to train, 2 done +about", more)
    assert "estimated from earlier runs here" in more


def test_what_a_study_is_computed_with_is_decided_once_and_other_kernels_are_other_runs(finished):
    study = finished.study
    (compute,) = {record.computed_with for record in study.records.values()}
    stored = checked_record(study.dir.config_path, StudyConfig).execution
    assert (
        {"device": stored.device, "kernels": stored.kernels, "compute": stored.compute}
        == compute.settings()
        == {"device": "cpu", "compute": "fast"}
        | {"kernels": "onednn" if "computed by oneDNN" in study.command("plan", str(study.config)).stdout else "mkl"}
    )
    assert {record.environment.kernels for record in study.records.values()} == {compute.kernels}
    other = "mkl" if compute.kernels == "onednn" else "onednn"
    shown = study.command("plan", str(study.config), "--set", f"execution.kernels={other}").stdout
    assert re.search(r"features +seeds +2 runs to train, 0 done", shown)
    assert re.search(r"full +search +4 runs to train, 0 done", shown)


def test_status_before_and_after(finished, new_study):
    study = finished.study
    shown = study.command("status", study.name).stdout
    assert "no command is running it" in shown
    assert re.search(r"features +seeds +2 done, 0 running, 0 failed, 0 missing of 2", shown)
    assert re.search(r"full +search +2 trials \(.*\); chosen: ", shown)
    assert "repeats" not in shown
    config = study.dir.config_path.read_text()
    try:  # as when the config has been given repeats since
        write_record(study.dir.config_path, load_study(study.config, ["seeds.repeats=1"]))
        shown = study.command("status", study.name).stdout
    finally:
        study.dir.config_path.write_text(config)
    assert re.search(r"features +repeats +0 done, 0 running, 0 failed, 1 missing of 1", shown)
    other = new_study()
    assert "there is no study 'tiny' here" in other.command("status", "tiny", expect=2).stderr


def test_status_of_an_unfinished_study_names_what_is_missing_and_what_failed(finished, tmp_path):
    """A copy of the finished study's folder, with one run gone and one failed."""
    study = finished.study
    home = copied_home(study, tmp_path)
    records = {(record.spec.arm, record.spec.index): record for record in study.records.values() if record.spec.stage == "seeds"}
    runs = home / "studies" / study.name / "runs"
    (runs / records["features", 0].digest[:16] / "record.json").unlink()
    failed = records["full", 1].model_copy(update={"status": "failed", "error": "the worker was killed", "attempts": 2})
    write_record(runs / failed.digest[:16] / "record.json", failed)
    (ended,) = run_several([["status", study.name, "--home", str(home)]], study.environment)
    assert ended.code == 1, "a run failed"
    assert re.search(r"features +seeds +1 done, 0 running, 0 failed, 1 missing of 2", ended.stdout)
    assert "features · seed 000: missing" in ended.stdout
    assert "full · seed 001: failed after 2 attempts: the worker was killed" in ended.stdout


def copied_home(study: TinyStudy, folder: Path) -> Path:
    home = folder / "home"
    shutil.copytree(study.dir.path, home / "studies" / study.name, ignore=shutil.ignore_patterns("lock*"))
    return home


def test_show_prints_the_table_and_the_whole_summary_as_json(finished):
    study = finished.study
    assert study.command("show", study.name).stdout.strip() == result_table(study.summary).strip()
    assert study.command("show", str(study.config), "--json").stdout
    parsed = StudySummary.model_validate_json(study.command("show", study.name, "--json").stdout)
    assert parsed == study.summary


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_report_is_rebuilt_from_the_records_byte_by_byte(finished):
    study = finished.study
    made = files_of(study.dir.report_dir)
    summary = study.dir.summary_path.read_bytes()
    shutil.rmtree(study.dir.report_dir)
    study.dir.summary_path.unlink()
    shown = study.command("report", study.name).stdout
    assert shown.strip() == str(study.dir.report_dir / "report.html")
    assert files_of(study.dir.report_dir) == made
    assert study.dir.summary_path.read_bytes() == summary


def test_a_report_leaves_out_runs_of_a_setting_that_is_asked_for_no_more(finished, tmp_path):
    study = finished.study
    home = copied_home(study, tmp_path)
    record = next(iter(study.records.values()))
    other = record.spec.model_copy(update={"training": record.spec.training.model_copy(update={"learning_rate": 0.5})})
    folder = home / "studies" / study.name
    shutil.copytree(folder / "runs" / record.digest[:16], folder / "runs" / other.digest[:16])
    write_record(
        folder / "runs" / other.digest[:16] / "record.json", record.model_copy(update={"spec": other, "digest": other.digest})
    )
    (ended,) = run_several([["report", study.name, "--home", str(home)]], study.environment)
    assert ended.code == 0, ended.stderr
    assert (folder / "report" / "runs.csv").read_bytes() == (study.dir.report_dir / "runs.csv").read_bytes()


def test_predict_answers_a_studys_own_test_set_as_the_kept_model_did(finished):
    study = finished.study
    texts = study.values["data"]["test"]
    ended = study.command("predict", study.name, "--input", texts, "--arm", "features")
    rows = [json.loads(line) for line in ended.stdout.splitlines()]
    of_arm = [r for r in study.records.values() if r.spec.arm == "features" and r.spec.stage == "seeds"]
    best = max(of_arm, key=lambda record: (record.best_score, -record.spec.index))
    assert best.spec.title in ended.stderr
    stored = read_predictions(study.dir.run_dir(best.digest) / best.predictions["best"]["test"]).to_pylist()
    assert [row["prediction"] for row in rows] == [best.spec.labels[int(np.argmax(row["logits"]))] for row in stored]
    refused = study.command("predict", study.name, "--input", texts, "--arm", "features", "--ensemble", expect=2)
    assert "retention.checkpoints: all" in refused.stderr, "only the best seed's model was kept"
    bad = study.command("predict", study.name, "--input", str(study.config), "--arm", "features", expect=2)
    assert "unknown file format" in bad.stderr


def test_check_data_prints_the_card_and_trains_nothing(new_study):
    study = new_study()
    shown = study.command("check-data", str(study.config)).stdout
    assert all(words in shown for words in ("train", "validation", "test", "negative", "positive"))
    assert not study.dir.path.exists()


@pytest.mark.slow
def test_ui_serves_the_three_pages_and_takes_its_servers_along_when_it_is_ended(finished):
    study = finished.study
    first = free_port()
    command = [
        sys.executable,
        "-m",
        "flows.cli.app",
        "ui",
        "--home",
        str(study.home),
        "--study",
        study.name,
        "--port",
        str(first),
    ]
    pages = study.config.parent / "ui.txt"
    # Prefect's pages are of the home's own server, not of the one the tests share
    environment = clean_environment()
    with pages.open("w") as stdout:
        started = Started(command, environment, study.config.parent / "ui-stderr.txt", stdout=stdout)
    try:
        shown = {"MLflow: the study", "MLflow: its seeds", "Prefect: flow runs", "Optuna: tiny full", "Report: tiny"}
        started.until(lambda: all(name in pages.read_text() for name in shown), "every page answered")
        links = dict(re.findall(r"^  (\S.*?) {2,}(\S+)$", pages.read_text(), re.MULTILINE))
        assert shown <= set(links)
        for name, title in TITLES.items():
            assert title in page_of(links[name])
        mlflow = links["MLflow: the study"].partition("/#")[0]
        answer = page_of(f"{mlflow}/api/2.0/mlflow/experiments/get-by-name?experiment_name={study.name}")
        experiment = json.loads(answer)["experiment"]["experiment_id"]
        assert f"/experiments/{experiment}/" in links["MLflow: the study"]
        assert "<!doctype html>" in page_of(links["Report: tiny"])
    finally:
        below = started.end(signal.SIGTERM)
        started.wait()
    assert len(below) >= 5, "three servers, and what holds them"
    assert still_alive(below, within_seconds=20) == []


@pytest.mark.slow
def test_the_pages_of_a_moved_home_open_its_own_artifacts_and_models(finished_copy, tmp_path):
    study = finished_copy
    moved = study.home.rename(tmp_path / "elsewhere")
    record_path = min(moved.glob("mlflow-artifacts/tiny/*/artifacts/record.json"))
    record_path.write_text(f"{record_path.read_text()}\n")  # to tell it from that of the home that this one is a copy of
    run_id = record_path.parts[-3]
    command = [sys.executable, "-m", "flows.cli.app", "ui", "--home", str(moved), "--port", str(free_port())]
    pages = tmp_path / "ui.txt"
    with pages.open("w") as stdout:
        started = Started(command, clean_environment(), tmp_path / "ui-stderr.txt", stdout=stdout)
    try:
        started.until(lambda: "MLflow: studies" in pages.read_text(), "MLflow's page answered")
        (server,) = re.findall(r"^  MLflow: studies +(\S+)/#", pages.read_text(), re.MULTILINE)
        assert page_of(f"{server}/get-artifact?path=record.json&run_uuid={run_id}") == record_path.read_text()
        client = MlflowClient(server)
        fetched = mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path="record.json", dst_path=str(tmp_path / "fetched"), tracking_uri=server
        )
        assert Path(fetched).read_text() == record_path.read_text()
        models = client.search_logged_models([client.get_experiment_by_name(study.name).experiment_id])
        assert sorted(model.name for model in models) == ["tiny-features", "tiny-full"]
        for model in models:
            assert model.artifact_location.startswith(moved.as_uri())
            shown = page_of(
                f"{server}/ajax-api/2.0/mlflow/logged-models/{model.model_id}/artifacts/files?artifact_file_path=MLmodel"
            )
            assert "transformers" in shown
    finally:
        below = started.end(signal.SIGTERM)
        started.wait()
    assert still_alive(below, within_seconds=20) == []


def page_of(link: str) -> str:
    """What a browser gets; Prefect's server gives its pages to nobody else."""
    request = urllib.request.Request(link.partition("#")[0], headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=30) as page:
        return page.read().decode()


def test_ui_and_report_without_a_study_say_what_to_do(tmp_path):
    home = ["--home", str(tmp_path)]
    ended = run_several([["ui", *home], ["report", "tiny", *home], ["show", "tiny", *home]], clean_environment())
    assert [end.code for end in ended] == [2, 2, 2]
    assert "run a study first" in ended[0].stderr
    assert all("run it first: bertft run CONFIG" in end.stderr for end in ended[1:])
