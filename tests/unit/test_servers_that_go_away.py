"""Servers that go away, or are none: a command says so in its own words and keeps what it has computed."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from bertft_core.config import UserError
from bertft_core.records.verification_record import VerdictFinding
from flows.cli import replay_command
from flows.cli.app import main
from flows.cli.run_command import prefect_api
from flows.cli.verification import as_verdict
from tasks.progress import StudyProgress
from tasks.tracking import provenance
from tasks.tracking.mlflow_store import MlflowException
from tests.helpers.small_records import make_card, make_environment, make_record, make_spec, make_study


@pytest.mark.parametrize(
    "address", ["foo", "http://local host:4200/api", "http://[::1", "ftp://127.0.0.1/api", "http://127.0.0.1:1/api"]
)
def test_what_is_no_address_of_a_prefect_server_is_refused(monkeypatch, tmp_path, address):
    monkeypatch.setenv("PREFECT_API_URL", address)
    with pytest.raises(UserError, match="Prefect's server does not answer") as refused, prefect_api(tmp_path, lambda: None):
        pass
    assert f"PREFECT_API_URL={address}: " in str(refused.value)


def test_a_server_that_answers_with_errors_does_not_take_the_event(monkeypatch, tmp_path, capsys):
    class Client:
        async def api_healthcheck(self) -> None:
            return None

        async def read_deployment_by_name(self, name: str) -> None:
            raise RuntimeError("Server error '500' for url http://me:secret@host/api")

    @asynccontextmanager
    async def client():
        yield Client()

    monkeypatch.setattr("prefect.client.orchestration.get_client", client)
    monkeypatch.setenv("PREFECT_API_URL", "http://me:secret@127.0.0.1:9/api")
    monkeypatch.setattr("flows.cli.announce_command._api_url", lambda: "http://me:secret@127.0.0.1:9/api")
    with pytest.raises(SystemExit) as ended:
        main(["announce", "quickstart", "--home", str(tmp_path)])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert "Prefect's server at http://***@127.0.0.1:9/api does not take the event" in error
    assert "Server error '500' for url http://***@host/api" in error


def test_a_verdict_is_printed_when_the_store_went_away_meanwhile(monkeypatch, tmp_path, capsys):
    study, card = make_study(), make_card(tmp_path)
    record = make_record(make_spec(study, card), card, replay_command.StudyDir(tmp_path, study.name))
    verdict = as_verdict(record, VerdictFinding(verdict="bitwise"), make_environment(), "replay")
    logged = SimpleNamespace(study=study, record=record, client=None, run=SimpleNamespace(info=SimpleNamespace(run_id="r")))

    def gone(*_: object) -> None:
        raise MlflowException("the store is gone")

    monkeypatch.setattr(replay_command, "fetch_run", lambda *_, **__: logged)
    monkeypatch.setattr(replay_command, "_replay", lambda *_: verdict)
    monkeypatch.setattr(replay_command, "tag_run", gone)
    monkeypatch.setattr(replay_command, "merge_on_parent", gone)
    assert replay_command.replay_command("x", tmp_path / "elsewhere", None) == 0
    said = capsys.readouterr()
    assert "full · seed 000" in said.out
    assert "bitwise" in said.out
    assert said.err.count("MLflow: the verdict is not in it: the store is gone") == 2


def test_a_study_goes_on_without_a_listener_that_fails():
    progress, heard = StudyProgress(), []

    def away(snapshot: object) -> None:
        raise ConnectionError("http://me:secret@host is away")

    progress.listeners += [away, heard.append]
    progress.enter("seeds")
    progress.enter("report")
    assert [snapshot.stage for snapshot in heard] == ["seeds", "report"]
    assert progress.problems == ["the progress was not shown to its end: ConnectionError: http://***@host is away"]


def test_changes_that_were_committed_since_are_not_those_of_this_execution(monkeypatch, tmp_path):
    dirty = make_environment().model_copy(update={"commit": "c" * 40, "dirty": True})
    clean = dirty.model_copy(update={"dirty": False})
    (tmp_path / "notes.txt").write_text("mine")

    def names(environment: object) -> set[str]:
        monkeypatch.setattr(provenance, "read_machine", lambda: environment)
        paths = provenance.provenance_files(tmp_path)
        assert {path.name for path in paths} | {"notes.txt"} == {path.name for path in Path(tmp_path).iterdir()}
        return {path.name for path in paths}

    assert names(dirty) - names(clean) == {"uncommitted.diff"}
    assert names(clean.model_copy(update={"commit": None})) == {"environment.json", "packages.txt"}
