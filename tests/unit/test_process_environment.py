"""What the user's environment may steer: the table of variables, proxies, the store that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import os
import re
import urllib.request
from contextlib import nullcontext
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.config.addresses import without_password
from bertft_core.processes import child_environment, loopback_without_proxy
from flows import run_study
from flows.cli import run_command
from flows.cli.find_study import find_study
from flows.cli.show_commands import rebuild_report
from tasks import study_session
from tasks.process_environment import TABLE, settle_environment, steering_servers, tracked, use_embedded_prefect, with_own_store
from tasks.process_identity import this_process
from tasks.progress import StudyProgress
from tests.helpers.evaluated_studies import make_results
from tests.helpers.small_records import make_study

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "environment.md"
OURS = "127.0.0.1,localhost,::1"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """A copy of the environment in which any variable may be set or lost."""
    copy = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
    for name in [name for name in copy if name.lower().endswith("_proxy")]:
        del copy[name]
    monkeypatch.setattr(os, "environ", copy)
    return copy


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, OURS),
        ({"NO_PROXY": "a.example, .b.example"}, f"a.example,.b.example,{OURS}"),
        ({"NO_PROXY": "a.example", "no_proxy": "b.example,localhost"}, "b.example,localhost,a.example,127.0.0.1,::1"),
        ({"no_proxy": "*"}, "*"),
        ({"no_proxy": ""}, OURS),
    ],
)
def test_this_machine_is_added_to_the_addresses_that_need_no_proxy(given, expected):
    assert loopback_without_proxy(given) == {"no_proxy": expected, "NO_PROXY": expected}
    assert loopback_without_proxy(loopback_without_proxy(given))["no_proxy"] == expected


def test_children_get_it_too_and_the_proxy_stays_for_others(environment, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    child = child_environment({"ONE": "1"}, without=["HOME"])
    assert (child["no_proxy"], child["https_proxy"], child["ONE"], "HOME" in child) == (
        OURS,
        "http://proxy.example:3128",
        "1",
        False,
    )


def test_urllib_and_httpx_reach_this_machine_past_a_proxy(environment):
    httpx = pytest.importorskip("httpx")
    environment |= {"HTTP_PROXY": "http://proxy.example:3128", "all_proxy": "socks5://proxy.example:1080"}
    remarks = settle_environment()
    for address in ("127.0.0.1", "localhost", "[::1]"):
        assert urllib.request.proxy_bypass(address.strip("[]"))
        with httpx.Client() as client:  # raises for a proxy that it has no library for
            assert client._transport_for_url(httpx.URL(f"http://{address}:4200")) is client._transport
            assert client._transport_for_url(httpx.URL("http://hub.example")) is not client._transport
    assert len(remarks) == ("all_proxy" not in environment)


def test_a_proxy_of_a_kind_that_no_library_knows_is_left_out_with_a_word(environment):
    environment |= {"ALL_PROXY": "socks4://proxy.example:1080", "http_proxy": "proxy.example:3128"}
    assert settle_environment() == ["ALL_PROXY is not used: no library here for a proxy of the kind socks4://"]
    assert environment["http_proxy"] == "proxy.example:3128"


def test_what_would_steer_mlflow_is_dropped_and_the_way_to_its_server_kept(environment):
    kept = {
        "MLFLOW_TRACKING_URI": "http://a",
        "MLFLOW_TRACKING_TOKEN": "t",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "9",
        "HF_HOME": "/hub",
    }
    environment |= kept | {"MLFLOW_RUN_ID": "1", "MLFLOW_EXPERIMENT_NAME": "x", "OPTUNA_STORAGE": "y", "MLFLOW_NEW_IN_2027": "1"}
    settle_environment()
    assert kept.items() <= environment.items()
    assert {name for name in environment if name.startswith(("MLFLOW_", "OPTUNA_"))} == {
        *(kept.keys() - {"HF_HOME"}),
        "MLFLOW_DISABLE_TELEMETRY",
    }


def test_an_embedded_prefect_has_nothing_of_the_users_and_its_state_in_the_home(environment, tmp_path):
    environment |= {"PREFECT_HOME": "/nowhere", "PREFECT_API_KEY": "k", "PREFECT_SERVER_DATABASE_CONNECTION_URL": "sqlite://"}
    use_embedded_prefect(tmp_path)
    assert environment["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert not {"PREFECT_API_KEY", "PREFECT_SERVER_DATABASE_CONNECTION_URL"} & environment.keys()


def test_the_store_that_the_environment_names_is_that_of_studies_that_name_none(environment):
    plain, named, own = make_study(), make_study(tracking={"uri": "http://named"}), make_study(tracking={"uri": None})
    assert tracked(plain) is plain
    environment["MLFLOW_TRACKING_URI"] = "http://mine"
    assert tracked(plain).tracking.uri == "http://mine"
    assert tracked(plain).digest == plain.digest
    assert tracked(named) is named
    assert tracked(own) is own


WHOLE, SHOWN = "postgresql://me:secret@host/db", "postgresql://***@host/db"


def test_a_study_is_written_down_without_the_password_of_its_store(tmp_path):
    study = make_study(tracking={"uri": WHOLE})
    assert study.shareable.tracking.uri == SHOWN
    assert study.shareable.digest == study.digest
    for harmless in (make_study(), make_study(tracking={"uri": "sqlite:////a@b/mlflow.db"})):
        assert harmless.shareable is harmless


def test_a_report_has_no_password_of_the_store(tmp_path):
    results = make_results(tmp_path, {"full": [0.8, 0.7, 0.9]}, tracking={"uri": WHOLE})
    rebuild_report(find_study("small", tmp_path))
    files = [path for path in results.study_dir.report_dir.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path.name for path in files if b"secret" in path.read_bytes()]
    assert SHOWN in (results.study_dir.report_dir / "study.yaml").read_text(encoding="utf-8")


class Stopped(Exception):
    """Far enough for a test; `words` are what it was called with."""

    def __init__(self, *words: object) -> None:
        self.words = words

    @classmethod
    def here(cls, *words: object, **_: object) -> None:
        raise cls(*words)


def test_the_stored_config_of_a_study_has_no_password(tmp_path, monkeypatch):
    monkeypatch.setattr(study_session, "looks_finished", lambda *_: True)
    monkeypatch.setattr(study_session, "Tracker", Stopped.here)
    session = study_session.Session(make_study(tracking={"uri": WHOLE}), tmp_path, StudyProgress())
    with pytest.raises(Stopped) as stopped:
        session.__enter__()
    assert stopped.value.words[0].tracking.uri == WHOLE, "the store is opened with it"
    stored = session.dir.config_path.read_text(encoding="utf-8")
    assert SHOWN in stored
    assert "secret" not in stored


def test_prefect_is_given_no_password(tmp_path, monkeypatch):
    for name in ("prefect_api", "early_workers"):
        monkeypatch.setattr(run_command, name, lambda *_, **__: nullcontext())
    monkeypatch.setattr(run_study, "run_in_terminal", Stopped.here)
    with pytest.raises(Stopped) as stopped:
        run_command.run_command(Path("configs/quickstart.yaml"), [f"tracking.uri={WHOLE}"], tmp_path, force=False)
    command, _, overrides = stopped.value.words
    assert (command.study.tracking.uri, overrides) == (WHOLE, [f"tracking.uri={SHOWN}"])


def test_the_environment_has_the_password_of_a_study_that_was_written_down(environment):
    study, other = make_study(tracking={"uri": SHOWN}), make_study(tracking={"uri": "postgresql://***@other/db"})
    with pytest.raises(UserError) as refused:
        tracked(study)
    assert refused.value.code == "tracking.password-left-out"
    assert with_own_store(study) is study
    environment["MLFLOW_TRACKING_URI"] = WHOLE
    assert (tracked(study).tracking.uri, with_own_store(study).tracking.uri) == (WHOLE, WHOLE)
    assert with_own_store(other) is other
    assert with_own_store(make_study()).tracking.uri is None, "a stored study that names no store has the home's"


def test_the_command_of_a_process_has_no_password(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/x/bertft", "run", "a.yaml", "--set", f"tracking.uri={WHOLE}"])
    assert this_process().command == f"bertft run a.yaml --set tracking.uri={SHOWN}"


def test_a_password_in_an_address_is_not_shown():
    assert without_password("https://me:secret@host:5000/api") == "https://***@host:5000/api"
    assert without_password("sqlite:////a@b/mlflow.db") == "sqlite:////a@b/mlflow.db"
    assert without_password("at http://me:p@ss@host/x, by me@host") == "at http://***@host/x, by me@host"
    assert without_password("postgresql://h/db?user=me&password=secret&x=1") == "postgresql://h/db?user=me&password=***&x=1"


def test_servers_behind_our_pages_get_no_variable_that_steers_them():
    steering = {
        "MLFLOW_TRACKING_URI",
        "MLFLOW_PORT",
        "OPTUNA_STORAGE",
        "UVICORN_PORT",
        "GUNICORN_CMD_ARGS",
        "FLASK_APP",
        "WEB_CONCURRENCY",
    }
    others = {"PREFECT_HOME", "HTTP_PROXY", "PATH", "HF_HOME", "CUDA_VISIBLE_DEVICES"}
    assert sorted(steering_servers(dict.fromkeys(steering | others, "x"))) == sorted(steering)


def test_the_guide_has_the_table():
    rows = re.findall(r"^\| (.+?) \| (\w+) \| (.+) \|$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)[1:]
    assert rows == [(", ".join(f"`{name}`" for name in row.names), row.treatment, row.meaning) for row in TABLE]
