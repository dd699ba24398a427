"""`retention.register`: the best model of each arm in MLflow's registry, once, also in a home that was moved."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import pytest
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from bertft_core.config import UserError
from bertft_core.evaluation.summarize import summarize
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records.ranking import ranked_runs
from bertft_core.report.prose import study_text
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.storage.study_results import StudyResults
from bertft_core.training.run import train_run
from tasks.keep_models import keep_models
from tasks.process_environment import tracked
from tasks.tracking.current_store import current_store
from tasks.tracking.mlflow_store import open_existing
from tasks.tracking.model_registry import own_name, register
from tasks.tracking.store_files import REGISTERED, champions
from tasks.tracking.study_log import StudyLog
from tests.helpers.small_records import make_study
from tests.helpers.tiny_studies import tiny_study


class Logged(NamedTuple):
    """A study whose runs and models are in the store of its home."""

    home: Path
    results: StudyResults
    log: StudyLog

    @property
    def client(self) -> Any:
        return open_existing(self.home, None)

    def best_of(self, arm: str) -> Any:
        return ranked_runs(self.results.study, self.results.planned, self.results.records)[arm][0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Logged:
    folder = tmp_path_factory.mktemp("study")
    arms = {"features": {"strategies": [{"kind": "feature_extraction"}]}, "full": {}}
    kept = {"checkpoints": "all", "register": True}
    study, card = tiny_study(folder, retention=kept, training={"epochs": 1}, arms=arms, seeds={"n": 2})
    study_dir = StudyDir(folder / "home", study.name)
    planned = plan_runs(study, card, {})
    write_record(study_dir.config_path, study)
    records = {spec.digest: train_run(spec, run_dir=study_dir.run_dir(spec.digest)) for spec in planned}
    results = StudyResults(study, card, study_dir, records, planned)
    results = results.with_summary(summarize(results))
    log = StudyLog(study, study_dir, "session")
    for record in records.values():
        log.runs.log_record(record, log.study_run_id, 0)
    keep_models.fn(results, records, log=log.runs)
    return Logged(folder / "home", results, log)


def versions(client: Any, name: str) -> list[Any]:
    return list(client.search_model_versions(f"name = '{name}'"))


@pytest.mark.parametrize("arm", ["features", "full"])
def test_the_best_run_of_an_arm_is_the_champion_and_the_verdict_its_description(trained, arm):
    found = trained.client.get_model_version_by_alias(f"tiny-{arm}", "champion")
    run = trained.client.get_run(found.run_id)
    assert run.data.tags["bertft.run_digest"] == trained.best_of(arm).digest
    assert run.data.tags[REGISTERED] == f"tiny-{arm}/1"
    claim = " ".join(study_text.of_arm(arm, trained.results.summary))
    assert found.description == trained.client.get_registered_model(f"tiny-{arm}").description == claim
    assert ("baseline" in claim) == (arm == "features")


def test_models_are_named_by_study_and_arm_and_say_which_version_they_are(trained):
    experiment = trained.client.get_experiment_by_name("tiny").experiment_id
    models = trained.client.search_logged_models([experiment])
    assert sorted(model.name for model in models) == ["tiny-features", "tiny-features", "tiny-full", "tiny-full"]
    registered = [model for model in models if "mlflow.modelVersions" in model.tags]
    assert {model.source_run_id for model in registered} == {
        trained.client.get_model_version_by_alias(f"tiny-{arm}", "champion").run_id for arm in ("features", "full")
    }


def test_a_run_that_is_registered_gets_no_second_version(trained):
    for _ in range(2):
        keep_models.fn(trained.results, dict(trained.results.records), log=trained.log.runs)
    assert [len(versions(trained.client, f"tiny-{arm}")) for arm in ("features", "full")] == [1, 1]


def test_another_best_run_becomes_the_champion(trained, monkeypatch):
    best = trained.best_of("full")
    other = next(r for r in trained.results.records.values() if r.spec.arm == "full" and r.digest != best.digest)
    trained.log.runs.register_model(other, "full", "now this one")
    assert trained.client.get_model_version_by_alias("tiny-full", "champion").description == "now this one"
    trained.log.runs.register_model(best, "full", "and back")
    assert str(trained.client.get_model_version_by_alias("tiny-full", "champion").version) == "1"
    trained.log.runs.drop_model(other.digest)
    assert [found.description for found in versions(trained.client, "tiny-full")] == ["and back"], "its files are gone"


def test_after_a_home_was_moved_models_and_artifacts_open_where_they_are_now(trained, tmp_path):
    moved = trained._replace(home=tmp_path / "elsewhere")
    shutil.copytree(trained.home, moved.home)
    hidden = trained.home.rename(trained.home.with_name("gone"))  # the old place is no more
    try:
        client = moved.client
        found = client.get_model_version_by_alias("tiny-full", "champion")
        assert str(tmp_path) in client.get_model_version_download_uri(found.name, found.version)
        with current_store(client):
            opened = mlflow.transformers.load_model("models:/tiny-full@champion")
        assert {answer["label"] for answer in opened(["the film was great"])} <= {"negative", "positive"}
        record = client.download_artifacts(found.run_id, "record.json", str(tmp_path))
        assert trained.best_of("full").digest in Path(record).read_text()
    finally:
        hidden.rename(trained.home)


def test_a_name_that_is_another_studys_gets_digits_and_one_that_is_free_none(trained):
    client = trained.client
    assert own_name(client, "tiny", "full") == "tiny-full", "it is its own"
    assert own_name(client, "other", "arm") == "other-arm"
    client.create_registered_model("a-b-c", tags={"bertft.study": "a-b", "bertft.arm": "c"})
    assert own_name(client, "a-b", "c") == "a-b-c"
    other = own_name(client, "a", "b-c")
    assert re.fullmatch("a-b-c-[0-9a-f]{8}", other)
    assert own_name(client, "a", "b-c") == other
    best = trained.best_of("full")
    run_id = trained.log.runs._runs.id_of(best.digest)
    experiment = client.get_experiment_by_name("tiny").experiment_id
    assert register(client, experiment, run_id, ("a", "b-c"), "") == f"{other}/1"
    assert client.search_model_versions("name = 'a-b-c'") == []
    client.delete_registered_model(other)
    client.delete_registered_model("a-b-c")


def test_a_model_of_before_there_were_tags_is_known_by_its_runs(trained):
    client = trained.client
    for tag in ("bertft.study", "bertft.arm"):
        client.delete_registered_model_tag("tiny-features", tag)
    assert own_name(client, "tiny", "features") == "tiny-features"
    assert own_name(client, "ti", "ny-features") == "ti-ny-features"
    client.rename_registered_model("tiny-features", "ti-ny-features")
    assert own_name(client, "ti", "ny-features").startswith("ti-ny-features-")
    client.rename_registered_model("ti-ny-features", "tiny-features")


def test_a_name_whose_runs_were_all_deleted_for_good_is_anothers(trained, monkeypatch):
    client = trained.client
    for tag in ("bertft.study", "bertft.arm"):
        client.delete_registered_model_tag("tiny-features", tag)

    def gone(run_id: str) -> Run:
        raise MlflowException(f"Run with id={run_id} not found", error_code=RESOURCE_DOES_NOT_EXIST)

    with monkeypatch.context() as patched:
        patched.setattr(client, "get_run", gone)
        assert own_name(client, "tiny", "features").startswith("tiny-features-")
    assert own_name(client, "tiny", "features") == "tiny-features"


def test_an_alias_that_was_taken_away_is_missed(trained):
    assert champions(trained.home) == {"tiny-features", "tiny-full"}
    trained.client.delete_registered_model_alias("tiny-full", "champion")
    assert champions(trained.home) == {"tiny-features"}
    keep_models.fn(trained.results, dict(trained.results.records), log=trained.log.runs)
    assert champions(trained.home) == {"tiny-features", "tiny-full"}
    assert champions(trained.home / "nowhere") == set()


@pytest.mark.parametrize("users", [None, "http://mine:5000"])
def test_the_next_study_of_the_process_does_not_go_to_the_store_of_this_one(trained, monkeypatch, users):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if users is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", users)
    best = trained.best_of("full")
    trained.log.runs.drop_model(best.digest)
    trained.log.runs.log_model(best)
    trained.log.runs.register_model(best, "full", "again")
    assert tracked(make_study()).tracking.uri == users
    assert mlflow.get_tracking_uri() != trained.client.tracking_uri


def test_a_store_without_a_registry_is_a_problem_and_no_crash(trained, monkeypatch):
    def fails(*_: Any, **__: Any) -> None:
        raise MlflowException("no registry here")

    monkeypatch.setattr("mlflow.MlflowClient.create_registered_model", fails)
    with pytest.raises(MlflowException, match="no registry"):
        trained.log.runs.register_model(trained.best_of("full"), "full", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"retention": {"checkpoints": "none", "register": True}},
        {"retention": {"register": True}, "tracking": {"log_models": False}},
    ],
)
def test_what_is_not_kept_or_not_logged_cannot_be_registered(changes):
    with pytest.raises(UserError, match="no model would be registered"):
        make_study(**changes)


def test_registering_changes_no_digest():
    registered = make_study(retention={"register": True})
    assert registered.digest == make_study().digest
    assert "register" not in make_study().model_dump(mode="json")["retention"]
