"""Every child and the command itself in a folder whose files have the names of our modules, and of others'."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bertft_core.processes import ROOT, ChildLog, child_environment, module_command, without_current_folder
from bertft_core.training.workers import Worker
from flows.cli.child_process import ChildCommand
from flows.cli.embedded_server import EmbeddedServer
from tasks.guard import Guard
from tests.helpers.small_records import make_study

SHADOWED = ("flows", "tasks", "types", "random", "torch")


@pytest.fixture(params=[None, "."], ids=["no PYTHONPATH", "PYTHONPATH=."])
def folder(request, tmp_path, monkeypatch) -> Path:
    """The current folder: a module of each name, `tasks` as a package, and each of them an error to import."""
    for name in SHADOWED:
        path = tmp_path / name / "__init__.py" if name == "tasks" else tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise RuntimeError('imported from the current folder')\n")
    monkeypatch.chdir(tmp_path)
    if request.param is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", request.param)
    return tmp_path


def test_the_folder_is_one_that_breaks_python_m(folder):
    done = subprocess.run([sys.executable, "-m", "flows.cli.app"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "imported from the current folder" in done.stderr


def test_the_command(folder):
    done = subprocess.run([sys.executable, ROOT / "flows" / "cli" / "bertft", "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: bertft" in done.stdout


def test_a_worker(folder):
    worker = Worker.started({}, folder / "logs" / "worker.log")
    try:
        assert b'"ready"' in worker._next_line()
    finally:
        worker.kill()


def test_the_guard(folder):
    guard = Guard(folder, make_study(), "a session")
    guard.release()
    assert guard._process.returncode == 0
    assert [path.read_text() for path in folder.glob("studies/*/logs/guard.log")] == [""]


@pytest.mark.slow  # it starts as the other children here do, and takes ten times as long
def test_the_embedded_server(folder):
    with EmbeddedServer(folder / "server.log") as server:
        server.wait_until_ready()
        assert server._has_answered


def test_a_page_and_its_own_children(folder):
    """MLflow starts processes of its own, which read the environment."""
    grandchild = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'tasks.process_environment'], check=True)"
    command = ChildCommand([sys.executable, "-c", f"import random; {grandchild}"], folder / "page.log", {})
    assert command._process.wait() == 0
    assert (folder / "page.log").read_text() == ""


def test_another_folder_of_the_path_shadows_nothing_of_ours(folder, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "flows.py").write_text("raise RuntimeError('imported from PYTHONPATH')\n")
    monkeypatch.setenv("PYTHONPATH", str(elsewhere))
    done = subprocess.run(module_command("flows.cli.app", "--help"), capture_output=True, text=True, env=child_environment())
    assert (done.returncode, done.stderr) == (0, "")


def test_what_stays_of_pythonpath(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lib").mkdir()
    given = os.pathsep.join([".", "", "lib", str(tmp_path), str(tmp_path / "lib"), f"{tmp_path}/lib/..", "/opt/lib"])
    assert without_current_folder(given) == os.pathsep.join([str(tmp_path / "lib"), "/opt/lib"])
    assert without_current_folder("") == ""


def test_the_log_of_a_child_begins_where_it_was_started(tmp_path):
    path = tmp_path / "child.log"
    path.write_text("of an earlier child\n")
    log = ChildLog(path)
    assert "earlier" not in log.last_lines()
    with path.open("a") as file:
        file.write("one\n\ntwo\nthree\n")
    assert log.last_lines(2) == "two\nthree"


@pytest.mark.parametrize("ready", [True, False])
def test_a_worker_that_cannot_start_says_why(ready, tmp_path, monkeypatch):
    """At once and as a mistake to fix; one that was ready and exits costs its run only."""
    from bertft_core import processes
    from bertft_core.config import UserError
    from bertft_core.training import workers
    from tests.helpers.small_records import make_card, make_spec

    code = f"import sys; print('{{\"kind\": \"ready\"}}' if {ready} else '', flush=True); sys.exit('libgomp is missing')"
    monkeypatch.setattr(processes, "module_command", lambda module: [sys.executable, "-c", code])
    worker = Worker.started({}, tmp_path / "worker.log")
    with pytest.raises(workers.WorkerDied if ready else UserError) as raised:
        worker.run(make_spec(make_study(), make_card(tmp_path)), tmp_path / "run", lambda event: None)
    if not ready:
        assert raised.value.path == str(tmp_path / "worker.log")
        assert "code 1" in raised.value.found
        assert "libgomp is missing" in raised.value.found
