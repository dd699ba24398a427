"""Comparisons reach MLflow and can be read there; a study that only MLflow has is compared like any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from bertft_core import load_study
from bertft_core.config import UserError
from bertft_core.evaluation.comparison.compare_studies import compare_studies
from bertft_core.evaluation.comparison.request import ComparisonRequest
from bertft_core.records.comparison_record import Comparison, Refusal
from bertft_core.report.prose import comparison_text
from bertft_core.storage.study_dir import StudyDir, read_record
from bertft_core.storage.study_results import StudyResults
from flows.cli.app import main
from flows.cli.compare_command import compare_command
from flows.cli.fetch_command import fetch_command
from flows.cli.repair_command import repair_command
from tasks.process_identity import owner_tags
from tasks.tracking.comparison_log import comparison_metrics, comparison_tags, log_comparison, write_comparison_on
from tasks.tracking.logged_studies import fetch_study
from tasks.tracking.mlflow_runs import MlflowRuns
from tasks.tracking.mlflow_store import MlflowException, open_store, runs_where
from tests.helpers.evaluated_studies import make_results
from tests.helpers.small_records import make_card

pytestmark = pytest.mark.usefixtures("copied_mlflow_stores", "blank_pictures")

LOW, HIGH = [0.60, 0.61, 0.62, 0.60], [0.85, 0.86, 0.85, 0.87]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A home with a study, and MLflow's store with all of it."""
    home = tmp_path_factory.mktemp("home")
    _log_all(home, _results(home))
    return home


def _results(home) -> StudyResults:
    card = make_card(home, splits={"train": 80, "validation": 40, "test": 400})
    return make_results(home, {"features": LOW, "full": HIGH}, card=card)


def _log_all(home, results) -> None:
    """What a study command logs, as far as it is read again."""
    client, experiment = open_store(home, None, results.study.name)
    folder = StudyDir(home, results.study.name)
    parent = client.create_run(experiment, tags={"bertft.stage": "study"}).info.run_id
    client.log_artifact(parent, str(folder.config_path))
    client.log_dict(parent, results.card.model_dump(mode="json"), "data_card.json")
    client.log_artifact(parent, str(folder.summary_path), "report")
    client.set_terminated(parent)
    for digest in results.records:
        tags = {"bertft.stage": "seeds", "bertft.run_digest": digest, "mlflow.parentRunId": parent}
        run_id = client.create_run(experiment, tags=tags).info.run_id
        client.log_artifact(run_id, str(folder.run_dir(digest) / "record.json"))
        client.log_artifacts(run_id, str(folder.run_dir(digest) / "predictions"), "predictions")
        client.set_terminated(run_id)


@pytest.fixture(scope="module")
def comparison(home) -> Comparison:
    return compare_studies([_results(home)], ComparisonRequest(n_resamples=500))


def test_verdicts_are_tags_and_numbers_are_metrics(comparison):
    pair = comparison.headline_pairs[0]
    tags, metrics = comparison_tags(comparison), comparison_metrics(comparison)
    assert tags["bertft.claims"] == "1 of 1 differences claimed (best/test/accuracy)"
    assert tags["bertft.verdict/full vs features"] == f"full is better: {comparison_text.pair(pair, comparison)}"
    assert metrics["comparison/full vs features/difference"] == pair.difference
    assert metrics["comparison/full vs features/low"] == pair.both.low
    assert metrics["comparison/full vs features/seeds_high"] == pair.seeds.high
    assert metrics["comparison/full vs features/superiority"] == 1.0
    assert all(isinstance(value, float) for value in metrics.values())


def test_a_comparison_is_a_run_of_its_own_and_the_same_one_again(home, comparison, tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "pairs.md").write_text("| a |")
    first = log_comparison(home, None, comparison, tmp_path)
    refused = comparison.model_copy(update={"pairs": (), "refused": (Refusal(reason="other_labels", arm="a", baseline="b"),)})
    assert log_comparison(home, None, refused, tmp_path) == first
    client, experiment = open_store(home, None, "small")
    (run,) = runs_where(client, experiment, "tags.`bertft.stage` = 'comparison'")
    assert run.info.status == "FINISHED"
    assert run.data.tags["bertft.not_compared"] == "a and b are not compared: their labels differ"
    assert not any(name.startswith("bertft.verdict") for name in run.data.tags)
    assert "a and b are not compared: their labels differ" in run.data.tags["mlflow.note.content"]
    assert {item.path for item in client.list_artifacts(first, "comparison")} == {
        "comparison/claims.txt",
        "comparison/comparison.json",
        "comparison/tables",
    }
    client.delete_run(first)


def test_a_comparison_of_several_studies_is_in_an_experiment_of_comparisons(home, comparison, tmp_path):
    (tmp_path / "x").write_text("x")
    several = comparison.model_copy(update={"studies": ("one", "two")})
    run_id = log_comparison(home, None, several, tmp_path)
    client, experiment = open_store(home, None, "comparisons")
    run = client.get_run(run_id)
    assert (run.info.experiment_id, run.data.tags["bertft.studies"]) == (experiment, "one, two")


GONE = 2**22 + 1
"""No process has this id."""
EXPERIMENTS = {"small": "small", "comparisons": "small, other", "kept elsewhere": "kept elsewhere"}


def left_open(home: Path, **changes: str) -> list[str]:
    """A comparison in each kind of experiment that says it runs, by this process or as the changed tags say; their runs."""
    runs = []
    for experiment, studies in EXPERIMENTS.items():
        client, experiment_id = open_store(home, None, experiment)
        tags = {"bertft.stage": "comparison", "bertft.studies": studies} | owner_tags() | changes
        runs.append(client.create_run(experiment_id, run_name=f"comparison · {studies}", tags=tags).info.run_id)
    return runs


def test_what_killed_comparisons_left_open_is_repaired_and_those_being_made_are_not(home, comparison, tmp_path, capsys):
    home = shutil.copytree(home, tmp_path / "home")
    (tmp_path / "nothing").mkdir()
    client, _ = open_store(home, None, "small")
    alive = left_open(home)
    repairers = [
        lambda: repair_command("small", home),
        lambda: log_comparison(home, None, comparison, tmp_path / "nothing"),
        lambda: MlflowRuns(home, None, "a study that starts", "s"),
    ]
    for repair in repairers:
        dead = left_open(home, **{"bertft.pid": str(GONE)})
        repair()
        assert {client.get_run(run).info.status for run in dead} == {"KILLED"}
        assert {client.get_run(run).info.status for run in alive} == {"RUNNING"}
    shown = capsys.readouterr().out
    assert "MLflow: comparison · small, other was left RUNNING, now KILLED" in shown


def test_a_comparison_made_again_runs_until_it_is_whole_and_says_whose_it_is(home, comparison, tmp_path, monkeypatch):
    client, _ = open_store(home, None, "small")
    run_id, seen = log_comparison(home, None, comparison, tmp_path), []
    client.set_tag(run_id, "bertft.pid", str(GONE))
    monkeypatch.setattr(
        "tasks.tracking.comparison_log.write_comparison_on", lambda client, run, _: seen.append(client.get_run(run))
    )
    assert log_comparison(home, None, comparison, tmp_path) == run_id
    assert [(run.info.status, run.data.tags["bertft.pid"]) for run in seen] == [("RUNNING", owner_tags()["bertft.pid"])]
    assert client.get_run(run_id).info.status == "FINISHED"
    client.delete_run(run_id)


def test_a_studys_run_carries_the_comparison_of_its_arms(home, comparison):
    client, experiment = open_store(home, None, "small")
    run_id = client.create_run(experiment).info.run_id
    write_comparison_on(client, run_id, comparison)
    assert client.get_run(run_id).data.tags["bertft.claims"].startswith("1 of 1")
    text = Path(client.download_artifacts(run_id, "comparison/claims.txt")).read_text(encoding="utf-8")
    assert comparison_text.pair(comparison.headline_pairs[0], comparison) in text
    client.delete_run(run_id)


def test_a_study_that_only_mlflow_has_gives_the_same_comparison(home, comparison, tmp_path, capsys):
    asked = ComparisonRequest(n_resamples=500)
    code = compare_command(
        ["small"], tmp_path / "empty", asked, uri=f"sqlite:///{home / 'mlflow.db'}", output=tmp_path / "out", as_json=True
    )
    shown = capsys.readouterr()
    assert code == 0
    assert json.loads(shown.out) == comparison.model_dump(mode="json")
    assert "small: 8 runs from MLflow only" in shown.err
    assert read_record(tmp_path / "out" / "comparison.json", Comparison) == comparison
    assert (tmp_path / "out" / "comparison.html").exists()


def test_a_study_that_only_mlflow_has_is_written_into_a_home_where_programs_open_it(home, tmp_path, capsys):
    other, store = tmp_path / "other", f"sqlite:///{home / 'mlflow.db'}"
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["fetch", "small", "--home", str(other), "--tracking-uri", store, "--json"])
    assert json.loads(capsys.readouterr().out) == {
        "study": "small",
        "folder": str(other / "studies" / "small"),
        "runs": 8,
        "missing": 0,
    }
    fetched, original = load_study("small", other), load_study("small", home)
    assert fetched.summary == original.summary
    assert_frame_equal(fetched.scores, original.scores)
    assert_frame_equal(fetched.predictions, original.predictions)
    assert [path.name for path in (other / "studies").iterdir()] == ["small"]
    assert [path.name for path in (other / "studies" / "small").glob("*card.json")] == ["card.json"]


def test_a_study_that_cannot_be_fetched_whole_leaves_nothing(home, tmp_path, monkeypatch):
    def away(*_: object, **__: object) -> None:
        raise MlflowException("connection refused")

    monkeypatch.setattr("tasks.tracking.logged_studies._fetch_searches", away)
    with pytest.raises(UserError, match="the study 'small' cannot be read from MLflow"):
        fetch_command("small", tmp_path / "other", f"sqlite:///{home / 'mlflow.db'}")
    assert list((tmp_path / "other" / "studies").iterdir()) == []


def test_what_mlflow_lacks_is_reported(home, tmp_path):
    with pytest.raises(UserError, match=r"has small\n.*\n.*did you mean 'small'"):
        fetch_study("smal", tmp_path, home_dir=home, uri=None)
    client, experiment = open_store(home, None, "empty")
    client.create_run(experiment, tags={"bertft.stage": "study"})
    with pytest.raises(UserError, match="1 run of it, none finished"):
        fetch_study("empty", tmp_path, home_dir=home, uri=None)


def test_the_command_prints_and_keeps_the_comparison_of_a_study_of_this_home(home, capsys):
    asked = ComparisonRequest(metric="mcc", n_resamples=500)
    assert compare_command(["small"], home, asked, uri=None, output=None, as_json=False) == 0
    shown = capsys.readouterr().out
    assert "mcc on test, best checkpoint" in shown
    assert "full − features" in shown
    assert f"page      {home / 'comparisons' / 'small' / 'comparison.html'}" in shown
    found = read_record(home / "comparisons" / "small" / "comparison.json", Comparison)
    assert found.headline_metric == "mcc"
    client, experiment = open_store(home, None, "small")
    runs = runs_where(client, experiment, "tags.`bertft.stage` = 'comparison'")
    (run,) = [run for run in runs if "best/test/mcc" in run.data.tags["bertft.claims"]]
    assert comparison_text.pair(found.headline_pairs[0], found) in run.data.tags["bertft.verdict/full vs features"]


def test_a_store_that_does_not_answer_costs_a_warning_and_not_the_comparison(home, capsys, tmp_path):
    asked = ComparisonRequest(n_resamples=500)
    assert compare_command(["small"], home, asked, uri="http://127.0.0.1:9", output=tmp_path, as_json=False) == 0
    shown = capsys.readouterr()
    assert "full is 25.0 points" in shown.out
    assert "warning   the comparison is not in MLflow" in shown.err
