"""A finished study is answered from disk, without a server; whatever has changed since makes the command do its work again."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.records import StudySummary
from bertft_core.storage.study_dir import write_record
from flows.cli.finished_study import finished_summary
from flows.study_command import read_command
from tasks.study_lock import held
from tests.helpers.study_commands import WHOLE, TinyStudy, mtimes, write_shared

EMBEDDED = {"PREFECT_API_URL": ""}


@pytest.fixture(scope="module")
def study(tmp_path_factory, server_environment) -> TinyStudy:
    """A finished study whose data and encoder are its own; a search and kept models are part of it."""
    own = tmp_path_factory.mktemp("own")
    write_shared(own)
    made = TinyStudy(tmp_path_factory.mktemp("study"), own, server_environment, **WHOLE)
    made.run()
    return made


def answer(study: TinyStudy, *overrides: str, force: bool = False) -> StudySummary | None:
    return finished_summary(read_command(str(study.config), list(overrides), study.home, force=force))


def test_it_is_answered_from_disk_as_the_flow_answers(study):
    before, parents = mtimes(study), [run.info.end_time for run in study.runs("study")]
    by_flow = study.run()
    assert "nothing to do" not in by_flow.stderr, "a server that the user names hears of each command"
    logged = [run.info.end_time for run in study.runs("study")]
    assert logged != parents
    from_disk = study.run(**EMBEDDED)
    assert "nothing to do" in from_disk.stderr
    assert from_disk.stdout == by_flow.stdout
    assert mtimes(study) == before
    assert [run.info.end_time for run in study.runs("study")] == logged
    assert not (study.home / "prefect").exists(), "no server was started"


def test_another_setting_or_force_is_something_to_do(study):
    assert answer(study) == study.summary
    assert answer(study, force=True) is None
    for change in ("seeds.n=3", "retention.checkpoints=none", "description=other", "arms.full.learning_rate=2e-3"):
        assert answer(study, change) is None, change
    assert answer(study) == study.summary


def test_a_study_that_another_command_runs_is_refused(study):
    with held(study.dir), pytest.raises(UserError, match="another command is running"):
        answer(study)


def _first(study: TinyStudy, pattern: str) -> Path:
    return min(study.dir.path.glob(pattern))


def _changed(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def _sql(study: TinyStudy, statement: str) -> None:
    with closing(sqlite3.connect(study.home / "mlflow.db")) as database, database:
        assert database.execute(statement).rowcount > 0


def _other_data(study: TinyStudy) -> None:
    path = Path(study.values["data"]["train"])
    path.write_text(path.read_text("utf-8").replace("lovely", "fine"), "utf-8")


def _failed_run(study: TinyStudy) -> None:
    record = next(iter(study.records.values()))
    write_record(study.dir.run_dir(record.digest) / "record.json", record.model_copy(update={"status": "failed", "error": "x"}))


def _flow_run_left(study: TinyStudy) -> None:
    path = study.home / "prefect" / "prefect.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE flow (id, name)")
        database.execute("CREATE TABLE flow_run (flow_id, name, state_type, labels, parameters, tags)")
        database.execute("INSERT INTO flow VALUES (1, 'run-study')")
        home = f'{{"home": "{study.home}"}}'
        database.execute("INSERT INTO flow_run VALUES (1, ?, 'RUNNING', '{}', ?, '[]')", (study.name, home))


TAG = "UPDATE tags SET value = 'other' WHERE key ="
CHANGES: dict[str, Callable[[TinyStudy], object]] = {
    "data": _other_data,
    "a record": lambda study: _changed(_first(study, "runs/*/record.json")),
    "a run that failed": _failed_run,
    "a prediction": lambda study: _changed(_first(study, "runs/*/predictions/*/*.parquet")),
    "a run that is gone": lambda study: shutil.rmtree(_first(study, "runs/*")),
    "a search that is gone": lambda study: _first(study, "sweep/*/result.json").unlink(),
    "the report": lambda study: _changed(study.dir.report_dir / "report.html"),
    "the summary": lambda study: _changed(study.dir.summary_path),
    "the data card": lambda study: study.dir.card_path.unlink(),
    "MLflow's store": lambda study: (study.home / "mlflow.db").unlink(),
    "a run in MLflow": lambda study: _sql(study, "DELETE FROM tags WHERE key = 'bertft.run_digest'"),
    "a run that is open in MLflow": lambda study: _sql(study, "UPDATE runs SET status = 'RUNNING'"),
    "a run that is not complete in MLflow": lambda study: _sql(study, f"{TAG} 'bertft.logged'"),
    "a run below another study in MLflow": lambda study: _sql(study, f"{TAG} 'mlflow.parentRunId'"),
    "a model in MLflow": lambda study: _sql(study, f"{TAG} 'bertft.model'"),
    "a flow run that a kill has left": _flow_run_left,
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_has_changed_is_something_to_do(study, tmp_path, change):
    own = Path(study.values["data"]["train"]).parent
    shutil.copytree(study.home, tmp_path / "home")
    shutil.copytree(own, tmp_path / "own")
    try:
        CHANGES[change](study)
        assert answer(study) is None
    finally:
        for kept, where in ((tmp_path / "home", study.home), (tmp_path / "own", own)):
            shutil.rmtree(where)
            shutil.copytree(kept, where)
    assert answer(study) == study.summary
