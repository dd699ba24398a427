"""Which pages `bertft ui` starts, and where it says that MLflow's store is."""

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from bertft_core.config import UserError
from bertft_core.storage.study_dir import StudyDir, write_record
from flows.cli import ui_command
from tasks.tracking.mlflow_store import open_existing, open_store
from tests.helpers.small_records import make_study

pytestmark = pytest.mark.usefixtures("copied_mlflow_stores")


WAIT = ui_command._wait
API = "http://127.0.0.1:9/api"


@pytest.fixture
def started(monkeypatch) -> list[str]:
    """The logs of the pages that were started; none really is."""
    logs: list[str] = []

    @contextmanager
    def prefect(path: Path, **_: object):
        logs.append(path.name)
        yield SimpleNamespace(wait_until_ready=lambda: None, api_url=API)

    def child(stack: object, command: object, path: Path) -> SimpleNamespace:
        logs.append(path.name)
        return SimpleNamespace()

    monkeypatch.setattr(ui_command, "EmbeddedServer", prefect)
    monkeypatch.setattr(ui_command, "_start_child", child)
    monkeypatch.setattr("tasks.prefect_runs.last_flow_run", lambda *asked: {("small", API): "1234"}.get(asked))
    monkeypatch.setattr(ui_command, "use_embedded_prefect", lambda home: None)
    for name in ("_wait_for", "_wait"):
        monkeypatch.setattr(ui_command, name, lambda *_: None)
    return logs


def test_while_the_pages_are_up_links_lead_to_the_reports(tmp_path, started, monkeypatch, capsys):
    study = make_study()
    write_record(StudyDir(tmp_path, study.name).config_path, study)
    StudyDir(tmp_path, study.name).report_dir.mkdir()
    (StudyDir(tmp_path, study.name).report_dir / "report.html").touch()
    followed, waited = [], []

    def sleep(_: float) -> None:
        waited.append(1)
        if len(waited) == 2:
            raise KeyboardInterrupt

    def follow(*asked: object) -> None:
        followed.append(asked)
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(ui_command, "_wait", WAIT)
    monkeypatch.setattr(ui_command, "follow_reports", follow)
    monkeypatch.setattr(ui_command.time, "sleep", sleep)
    assert ui_command.ui_command(tmp_path, "small", 20000) == 0
    (address,) = re.findall(r"Report: small +(\S+)", capsys.readouterr().out)
    port = urlsplit(address).port
    assert followed == [(tmp_path, port)] * 2
    assert port not in (20000, 20001), "one port for two servers"


def test_no_port_is_given_to_two_servers():
    (first,) = ui_command._free_ports(20000, 1)
    assert first not in ui_command._free_ports(20000, 3, but=[first])


def test_a_study_that_mlflow_keeps_elsewhere_has_its_other_pages(tmp_path, started, capsys):
    study = make_study(tracking={"uri": "http://me:secret@mlflow.example:5000"})
    study_dir = StudyDir(tmp_path, study.name)
    write_record(study_dir.config_path, study)
    study_dir.report_dir.mkdir()
    (study_dir.report_dir / "report.html").touch()
    assert ui_command.ui_command(tmp_path, "small", 20000) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["MLflow's", "store:", "small", "http://***@mlflow.example:5000"] in lines
    assert any(line[:2] == ["Report:", "small"] for line in lines)
    assert ["Prefect:", "the", "study", "http://127.0.0.1:20001/runs/flow-run/1234"] in lines
    assert started == ["ui.log"]
    assert not (tmp_path / "mlflow.db").exists()


def test_a_study_that_is_not_in_mlflow_gets_the_list_of_studies_and_no_experiment(tmp_path, started, capsys):
    open_store(tmp_path, None, "another")
    write_record(StudyDir(tmp_path, "small").config_path, make_study())
    ui_command.ui_command(tmp_path, "small", 20000)
    assert "MLflow: studies" in capsys.readouterr().out
    assert started == ["mlflow-ui.log", "ui.log"]
    names = {found.name for found in open_existing(tmp_path, None).search_experiments()}
    assert names == {"Default", "another"}


def test_an_empty_home_has_nothing_to_show(tmp_path, started):
    with pytest.raises(UserError, match="nothing to show yet"):
        ui_command.ui_command(tmp_path, None, 20000)
    assert started == []
