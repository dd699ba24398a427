"""A whole lab on this machine: PostgreSQL, Prefect, MLflow, pool, deployments and worker, through crashes, without a leak.

Needs PostgreSQL's programs and the extra `postgres`; without them the first test fails with the command that installs them.
"""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cli.lab.credentials import LOGIN, PASSWORD, USER
from flows.cli.lab.databases import DATABASES
from flows.cli.lab.postgres import ROLE, as_user, program
from tests.helpers.running_lab import RunningLab, running_lab
from tests.helpers.study_commands import still_alive
from tests.helpers.waiting import until

pytestmark = pytest.mark.slow
CONFIG = "debug/reviews"
SMALL = ("--set", "arms.full.search=null")


@pytest.fixture(scope="module")
def lab() -> Iterator[RunningLab]:
    with running_lab() as lab:
        yield lab


def test_all_of_it_answers_and_the_deployments_are_there(lab):
    shown = lab.until_ready()
    assert len(re.findall(r"^  (?:PostgreSQL|Prefect|MLflow) +ready\b", shown, re.MULTILINE)) == 3
    listed = lab.command("prefect deployment ls", **lab.credentials, COLUMNS="200").stdout
    assert {"run-study/run-study", "update-study/on-dataset-updated"} <= set(re.findall(r"[\w-]+/[\w-]+", listed))
    again = lab.up()
    assert "runs already" in again.stdout


def test_a_webhook_once_given_stays_known_and_its_automations_are_made_anew_by_up(lab):
    """Also of one that an earlier version had, or that somebody has deleted."""
    assert "nobody; to tell a chat: . " in lab.until_ready()
    chat = lab.folder / "webhook.txt"
    chat.write_text("http://127.0.0.1:9/secret-path\n")
    lab.command(f"sh -c 'bertft server notify < {chat}'", **lab.credentials)
    assert "a webhook, by 2 automations" in lab.until_ready()
    lab.command("prefect --no-prompt automation delete 'bertft: a flow failed'", **lab.credentials)
    assert "a webhook, by 1 automations" in lab.until_ready()
    lab.command("bertft server down --home home")
    assert re.search("^notified +a webhook, by 2 automations$", lab.up().stdout, re.MULTILINE)


def test_wrong_credentials_are_refused_as_such_before_anything_is_trained(lab):
    wrong = {LOGIN: f"{USER}:wrong", PASSWORD: "wrong-password"}
    for name, who in ((LOGIN, "Prefect"), (PASSWORD, "MLflow")):
        for value in (wrong[name], ""):
            error = lab.command(f"bertft run {CONFIG} --home mine", expect=2, **lab.credentials | {name: value}).stderr
            assert f"{who}'s server refuses the credentials" in error
            assert not value or value not in error
    assert not list((lab.folder / "mine").glob("studies/*/runs/*"))


def test_a_study_runs_through_crashes_of_every_server(lab):
    """PostgreSQL and Prefect are killed while it runs; it ends as it would have, and both come back."""
    command = ["bertft", "run", CONFIG, *SMALL, "--home", "mine"]
    with subprocess.Popen(command, env=lab.environment | lab.credentials, cwd=lab.folder, stdout=subprocess.DEVNULL) as study:
        until(lambda: list((lab.folder / "mine").glob("studies/*/runs/*/spec.json")), "the first run", 300)
        for name in ("PostgreSQL", "Prefect"):
            lab.process(name).kill()
        assert study.wait(timeout=600) == 0
    state = lab.dir.state()
    assert state is not None
    assert {"PostgreSQL", "Prefect"} <= set(state.restarts)
    lab.until_ready()
    lab.command(f"bertft run {CONFIG} {' '.join(SMALL)} --home mine", **lab.credentials)


def test_a_deployed_study_runs_on_the_worker_in_the_labs_home(lab):
    asked = f"--param config={CONFIG} --param 'overrides=[\"arms.full.search=null\"]' --watch"
    lab.command(f"prefect deployment run run-study/run-study {asked}", **lab.credentials)
    assert (lab.dir.home / "studies" / "debug-reviews" / "report" / "report.html").is_file()


def test_no_password_is_in_a_file_a_log_or_a_command_line(lab):
    passwords = [lab.credentials[LOGIN].partition(":")[2], lab.credentials[PASSWORD]]
    logins = [lab.credentials[LOGIN], f"{USER}:{lab.credentials[PASSWORD]}"]
    forms = [text.encode() for text in passwords] + [base64.b64encode(login.encode()) for login in logins]
    files = [path for path in lab.folder.rglob("*") if path.is_file() and path != lab.dir.credentials_path]
    assert len(files) >= 100
    assert any("/postgres/" in str(path) for path in files), "the databases are looked through too"
    lines = list(Path("/proc").glob("[0-9]*/cmdline"))
    assert [path for path in [*files, *lines] if any(form in _bytes(path) for form in forms)] == []
    dumps = {name: _dump(lab, name) for name in DATABASES}
    assert all(b"CREATE TABLE" in dump for dump in dumps.values())
    assert [name for name, dump in dumps.items() if any(form in dump for form in forms)] == [], "its files are compressed in part"
    assert any(form in _bytes(lab.dir.credentials_path) for form in forms), "they would be found"


def _dump(lab: RunningLab, database: str) -> bytes:
    """All that PostgreSQL has in it, as text."""
    words = [*as_user(), program("pg_dump"), f"postgresql://{ROLE}@/{database}?host={lab.dir.postgres_dir}"]
    return subprocess.run(words, cwd="/", check=True, capture_output=True, timeout=300).stdout


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended, or been removed, since
        return b""


def test_a_killed_lab_leaves_no_process_and_starts_again_with_what_it_had(lab):
    supervisor = lab.supervisor
    below = supervisor.children(recursive=True)
    supervisor.kill()
    assert not still_alive(below, within_seconds=60)
    before = lab.credentials
    lab.up()
    assert lab.credentials == before
    shown = lab.command("prefect flow-run ls", **lab.credentials, COLUMNS="200").stdout
    assert "debug-reviews" in shown, "Prefect's runs are in PostgreSQL"


def test_down_ends_all_of_it(lab):
    supervisor = lab.supervisor
    below = supervisor.children(recursive=True)
    lab.command("bertft server down --home home")
    assert not still_alive([supervisor, *below], within_seconds=1)
    assert "shut down" in lab.dir.log_path("PostgreSQL").read_text(), "in order, so that nothing has to be recovered"
