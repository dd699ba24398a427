"""The deployments on a real Prefect server: a schedule that is paused, a study started by an event, and how it is stopped."""

from __future__ import annotations

import importlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from prefect import Flow

from bertft_core.config import load_study, parse_study
from bertft_core.records import StudySummary
from bertft_core.report.prose import study_text, study_title
from bertft_core.storage.study_dir import StudyDir, checked_record, write_record
from bertft_core.training import worker
from flows.cli.app import USER_MUST_ACT
from flows.cli.embedded_server import free_port
from flows.flow_settings import MAX_NAME
from tasks.report_address import page_address
from tests.helpers.served_flows import POLL_SECONDS, ROOT, Served, write_files_of_guide
from tests.helpers.study_commands import still_alive, study_values
from tests.helpers.waiting import until

CONFIG = ROOT / "configs" / "debug" / "reviews.yaml"
STUDY = "debug-reviews"
ENTRYPOINTS = {
    "run-study/run-study": "flows.run_study.run_study",
    "run-study/run-study-from-form": "flows.run_study.run_study_from_form",
    "check-regression/nightly-regression": "flows.check_regression.check_regression",
    "update-study/on-dataset-updated": "flows.update_study.update_study",
    "compare-studies/compare-studies": "flows.compare_results.compare_studies",
    "verify-study/verify-study": "flows.verify_study.verify_study",
    "clean-up/clean-up": "flows.clean_up.clean_up",
}
ENDLESS = {"learning_rate": 0.001, "batch_size": 5, "max_steps": 1_000_000, "evaluate_every_steps": 50}


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture(scope="module")
def chained(served, tmp_path_factory) -> None:
    """The guide's flow that waits for a study, deployed from a folder of its own."""
    directory = tmp_path_factory.mktemp("chained")
    assert write_files_of_guide(directory) == ["after_study.py", "prefect.yaml"]
    served.guided("prefect --no-prompt deploy --all", directory)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run(served, chained, home) -> dict[str, Any]:
    """The flow run that an announced study has led to, at its end."""
    served.command(f"bertft announce {CONFIG.relative_to(ROOT)} --set arms.full.search=null --home {home}")
    run = served.ended(served.flow_run("on-dataset-updated"))
    assert run["state_type"] == "COMPLETED", served.log()
    return run


@pytest.mark.slow
def test_the_nightly_schedule_is_there_and_paused(served):
    nightly = served.get("deployments/name/check-regression/nightly-regression")
    assert [(item["schedule"]["cron"], item["schedule"]["timezone"], item["active"]) for item in nightly["schedules"]] == [
        ("0 2 * * *", "UTC", False)
    ]
    assert (Path(pull_folder(nightly)) / nightly["parameters"]["config"]).is_file()


@pytest.mark.slow
def test_every_deployment_is_a_module_path_started_in_the_folder_that_was_deployed(served):
    deployments = [served.get(f"deployments/name/{name}") for name in ENTRYPOINTS]
    assert [deployment["entrypoint"] for deployment in deployments] == list(ENTRYPOINTS.values())
    assert {Path(pull_folder(deployment)) for deployment in deployments} == {ROOT}
    assert {deployment["concurrency_options"]["collision_strategy"] for deployment in deployments} == {"ENQUEUE"}
    for entrypoint in ENTRYPOINTS.values():
        module, _, name = entrypoint.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), name), Flow)


def pull_folder(deployment: dict[str, Any]) -> str:
    (step,) = deployment["pull_steps"]
    return step["prefect.deployments.steps.set_working_directory"]["directory"]


@pytest.mark.slow
def test_an_announced_study_gets_its_config_its_overrides_and_its_home(run, home):
    asked = run["parameters"]
    assert (asked["home"], asked["overrides"]) == (str(home), [])
    assert parse_study(asked["config"]).digest == load_study(CONFIG, ["arms.full.search=null"]).digest
    assert run["name"] == f"{STUDY}: the study has run for the first time"
    assert (home / "studies" / STUDY / "report" / "report.html").is_file()


@pytest.mark.slow
def test_task_runs_have_the_names_of_the_runs(served, run):
    tasks = served.post("task_runs/filter", task_runs={"flow_run_id": {"any_": [run["id"]]}})
    assert {task["state_type"] for task in tasks} == {"COMPLETED"}
    assert {f"{arm} · seed 00{seed}" for arm in ("features", "full") for seed in (0, 1)} < {task["name"] for task in tasks}


@pytest.mark.slow
def test_artifacts_show_progress_result_and_report(served, run, home):
    artifacts = {item["key"]: item for item in served.post("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})}
    assert artifacts[f"{STUDY}-progress"]["data"] == 100
    result = artifacts[f"{STUDY}-result"]["data"]
    assert "features is not compared" in result.split("|")[0], "the answer comes before the table"
    assert re.search(r"^\| full \|.*\d\.\d{3}", result, re.MULTILINE)
    assert "accuracy" in result
    assert page_address(StudyDir(home, STUDY)) in artifacts[f"{STUDY}-report"]["data"]
    assert f"bertft ui --home {home}" in artifacts[f"{STUDY}-report"]["description"]


@pytest.mark.slow
def test_runs_are_found_by_their_study_stage_and_arm(served, run):
    assert f"study:{STUDY}" in run["tags"]
    tasks = served.post("task_runs/filter", task_runs={"flow_run_id": {"any_": [run["id"]]}})
    assert all(f"study:{STUDY}" in task["tags"] for task in tasks)
    tags = {task["name"]: set(task["tags"]) for task in tasks}
    assert {"stage:seeds", "arm:full"} <= tags["full · seed 000"]
    assert "stage:report" in tags[f"write report · {STUDY}"]


@pytest.mark.slow
def test_a_finished_study_starts_the_flow_that_waits_for_it(served, run, home):
    after = served.ended(served.flow_run("after-study"))
    assert after["state_type"] == "COMPLETED", served.log()
    asked = after["parameters"]
    assert asked["study"] == STUDY
    parent = next(run for run in mlflow_runs(home) if run.info.run_id == asked["mlflow_run_id"])
    assert parent.data.tags["bertft.stage"] == "study"


class Training(NamedTuple):
    """A deployed study in the middle of its training."""

    run: dict[str, Any]
    home: Path
    processes: list[psutil.Process]

    def process(self, what: str) -> psutil.Process:
        """By its module, or by its name."""
        (found,) = [process for process in self.processes if what in (*process.cmdline(), process.name())]
        return found

    def mlflow_states(self) -> set[str]:
        return {run.info.status for run in mlflow_runs(self.home)}


def mlflow_runs(home: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    return client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])


@pytest.fixture
def training(served, shared, tmp_path) -> Training:
    shutil.copy(shared / "mlflow.db", tmp_path)
    study = study_values(shared, name="endless", training=ENDLESS)
    run = served.start("run-study/run-study", config=study, home=str(tmp_path))
    until(lambda: any("train/loss" in run.data.metrics for run in mlflow_runs(tmp_path)), "a curve in MLflow", every=POLL_SECONDS)
    training = Training(run, tmp_path, served.worker.children(recursive=True))
    assert {training.process(what).is_running() for what in PROCESSES} == {True}
    return training


PROCESSES = ("prefect.engine", worker.NAME, "tasks.guard")


@pytest.mark.slow
def test_a_study_cancelled_on_the_server_leaves_no_process_and_no_open_mlflow_run(served, training):
    served.post(f"flow_runs/{training.run['id']}/set_state", state={"type": "CANCELLING"})
    assert not still_alive(training.processes, within_seconds=60)
    assert served.ended(training.run)["state_type"] == "CANCELLED"
    assert training.mlflow_states() == {"KILLED"}


@pytest.mark.slow
def test_a_study_whose_process_is_killed_leaves_no_process_and_no_open_mlflow_run(served, training):
    training.process("prefect.engine").kill()
    assert not still_alive(training.processes, within_seconds=60)
    assert served.ended(training.run)["state_type"] == "CRASHED"
    assert training.mlflow_states() == {"KILLED"}


def started_by_hand(served: Served, deployment: str, **asked: Any) -> dict[str, Any]:
    """A flow run of a deployment at its end."""
    return served.ended(served.start(deployment, **asked))


def artifact(served: Served, run: dict[str, Any], end: str) -> str:
    found = served.post("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    return next(item["data"] for item in found if item["key"].endswith(end))


@pytest.mark.slow
def test_a_study_from_the_form_ends_with_its_answer(served, shared, tmp_path):
    values = study_values(shared, name="typed")
    run = started_by_hand(served, "run-study/run-study-from-form", study=values, home=str(tmp_path))
    assert run["state_type"] == "COMPLETED", served.log()
    summary = checked_record(StudyDir(tmp_path, "typed").summary_path, StudySummary)
    assert run["state"]["message"] == study_text.sentences(summary)[0]
    title = study_title.title(summary)
    until(lambda: served.get(f"flow_runs/{run['id']}")["name"] == title, f"the name {title}", every=POLL_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deployment", "asked", "shown"),
    [
        ("run-study", {"config": "nobody"}, "nobody: this config cannot be read"),
        ("run-study-from-form", {"encoder": {"path": "nowhere"}}, "nowhere"),
    ],
)
def test_a_study_with_a_mistake_fails_with_the_text_and_no_traceback(served, shared, tmp_path, deployment, asked, shown):
    if deployment == "run-study-from-form":
        asked = {"study": study_values(shared, **asked)}
    run = started_by_hand(served, f"run-study/{deployment}", **asked, home=str(tmp_path / "home"))
    assert run["state_type"] == "FAILED", served.log()
    assert shown in run["state"]["message"]
    assert "encountered an exception" not in run["state"]["message"]

    def logged() -> str:
        return "\n".join(line["message"] for line in served.post("logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}}))

    until(lambda: "Finished in state Failed" in logged(), "the end of the log", every=POLL_SECONDS)
    assert "Traceback" not in logged()
    assert logged().count(run["state"]["message"]) == 1, "with its lines, and once"
    assert "\\n" not in logged()


@pytest.mark.slow
def test_a_mistake_in_the_form_stops_at_submit(served, shared):
    found = served.get("deployments/name/run-study/run-study-from-form")
    for wrong in ({"seeds": {"m": 3}}, {"seed": "seven"}, {"arms": 3}):
        asked = {"study": study_values(shared) | wrong}
        with pytest.raises(httpx.HTTPStatusError) as refused:
            served.post(f"deployments/{found['id']}/create_flow_run", parameters=asked, state={"type": "SCHEDULED"})
        assert refused.value.response.status_code == 409
        assert next(iter(wrong)) in refused.value.response.text or "study" in refused.value.response.text


@pytest.mark.slow
def test_a_reference_is_made_kept_to_and_missed_where_a_score_falls_by_more_than_its_seeds_explain(served, shared, tmp_path):
    asked = {"config": study_values(shared, name="reference", seeds={"n": 3}), "home": str(tmp_path)}
    first, second = (started_by_hand(served, "check-regression/nightly-regression", **asked) for _ in range(2))
    assert [run["state_type"] for run in (first, second)] == ["COMPLETED"] * 2, served.log()
    assert "the reference reference is made" in first["state"]["message"]
    assert "moved by more than the seeds explain" in second["state"]["message"]
    assert "🟢" in artifact(served, second, "regression")
    path = StudyDir(tmp_path, "reference").summary_path
    summary = checked_record(path, StudySummary)
    better = [
        arm.model_copy(
            update={
                "seeds": tuple(s.model_copy(update={"scores": dict.fromkeys(s.scores, 2.0 + s.index / 100)}) for s in arm.seeds)
            }
        )
        for arm in summary.arms
    ]
    write_record(path, summary.model_copy(update={"arms": tuple(better)}))
    third = started_by_hand(served, "check-regression/nightly-regression", **asked)
    assert (third["state_type"], third["state_name"]) == ("FAILED", "Regressed"), served.log()
    assert "worse by more than the seeds explain" in third["state"]["message"]
    for ended in (first, second, third):
        name = f"reference: {ended['state']['message']}"[:MAX_NAME]
        until(lambda ended=ended, name=name: served.get(f"flow_runs/{ended['id']}")["name"] == name, name, every=POLL_SECONDS)
    assert "🔴" in artifact(served, third, "regression")
    events = until(
        lambda: served.post("events/filter", filter={"event": {"name": ["bertft.study.regressed"]}})["events"], "the event"
    )
    assert events[0]["payload"]["reference"] == "reference"
    assert events[0]["payload"]["moved"]


@pytest.mark.slow
def test_what_a_command_prints_is_the_artifact_of_its_deployment(served, run, home):
    compared = started_by_hand(served, "compare-studies/compare-studies", studies=[STUDY], home=str(home))
    assert compared["state_type"] == "COMPLETED", served.log()
    assert "full" in artifact(served, compared, "comparison")
    assert ".html" not in compared["state"]["message"]
    verified = started_by_hand(served, "verify-study/verify-study", study=STUDY, home=str(home))
    assert verified["state_type"] == "COMPLETED", served.log()
    assert "bitwise" in artifact(served, verified, "verification")
    assert verified["state"]["message"] == "every run trained again is bitwise equal"
    listed = started_by_hand(served, "clean-up/clean-up", home=str(home))
    assert listed["state_type"] == "COMPLETED", served.log()
    unknown = started_by_hand(served, "verify-study/verify-study", study="nobody", home=str(home))
    assert unknown["state_type"] == "FAILED"
    assert "there is no study 'nobody' here" in unknown["state"]["message"]


@pytest.mark.parametrize(("url", "shown"), [("", "PREFECT_API_URL is not set"), (None, "does not take the event")])
def test_announcing_without_a_server_says_what_to_do(url, shown, new_study):
    study = new_study()
    address = f"http://127.0.0.1:{free_port()}/api" if url is None else url
    error = study.command("announce", str(study.config), expect=USER_MUST_ACT, PREFECT_API_URL=address).stderr
    assert shown in error
    assert "prefect server start" in error


def test_a_study_with_a_mistake_is_not_announced(new_study):
    study = new_study()
    error = study.command("announce", str(study.config), "--set", "seeds.m=3", expect=USER_MUST_ACT).stderr
    assert "seeds.m" in error


def test_announcing_warns_when_no_deployment_waits_for_the_event(new_study):
    study = new_study()
    shown = study.command("announce", str(study.config))
    assert "announced  bertft.dataset.updated for tiny" in shown.stdout
    assert "no deployment update-study/on-dataset-updated" in shown.stderr
