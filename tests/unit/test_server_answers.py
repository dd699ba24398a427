"""Wrong credentials are reported as such before anything starts, although `/health` answers to everybody."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL, temporary_settings

from bertft_core.config import UserError
from flows.cli.server_answers import basic_login, expect_mlflow_login, expect_prefect

LOGIN = "lab:open-sesame"
NAMES = ("PREFECT_API_AUTH_STRING", "PREFECT_API_KEY", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


class Locked(BaseHTTPRequestHandler):
    """Like Prefect's and MLflow's servers with basic authentication: `/health` is open."""

    answers: ClassVar[list[tuple[str, int]]] = []
    """Path and status of each."""

    def do_GET(self) -> None:
        is_open = self.path.endswith("/health") or self.headers.get("Authorization") == basic_login(LOGIN)["Authorization"]
        body = json.dumps("3.8.8" if is_open else {"exception_message": "Unauthorized"}).encode()
        status = 200 if is_open else 401
        self.answers.append((self.path, status))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Locked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def given(monkeypatch, tmp_path, address):
    """Set the login of both clients; Prefect's has read its settings if anything in this process has used it before."""
    Locked.answers.clear()
    with ExitStack() as stack:
        yield from _given(monkeypatch, tmp_path, address, stack)


def _given(monkeypatch, tmp_path, address, stack: ExitStack) -> Iterator[Callable[[str | None], None]]:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_URL", f"{address}/api")

    def give(login: str | None) -> None:
        if login is not None:
            user, _, password = login.partition(":")
            for name, value in zip(NAMES, (login, "", user, password), strict=True):
                monkeypatch.setenv(name, value)
        settings = {PREFECT_API_URL: f"{address}/api", PREFECT_API_KEY: None, PREFECT_API_AUTH_STRING: login}
        stack.enter_context(temporary_settings(settings))  # type: ignore[arg-type]

    yield give


@pytest.mark.parametrize(("login", "found"), [(None, "no credentials"), ("lab:wrong", "wrong PREFECT_API_AUTH_STRING")])
def test_prefect_with_wrong_credentials_is_refused_as_that(given, address, login, found):
    given(login)
    with pytest.raises(UserError, match="refuses the credentials") as refused:
        expect_prefect(f"{address}/api")
    assert refused.value.code == "prefect.wrong-credentials"
    assert found in refused.value.found
    assert "wrong:" not in str(refused.value)


@pytest.mark.parametrize(("login", "found"), [(None, "no credentials"), ("lab:wrong", "wrong MLFLOW_TRACKING_USERNAME")])
def test_mlflow_with_wrong_credentials_is_refused_as_that(given, address, login, found):
    given(login)
    with pytest.raises(UserError, match="refuses the credentials") as refused:
        expect_mlflow_login(address)
    assert refused.value.code == "mlflow.wrong-credentials"
    assert found in refused.value.found


def test_right_credentials_are_taken_by_both(given, address):
    given(LOGIN)
    expect_prefect(f"{address}/api")
    of_prefect, Locked.answers[:] = list(Locked.answers), []
    expect_mlflow_login(address)
    for answers in (of_prefect, Locked.answers):
        asked = [path for path, status in answers if status == 200 and not path.endswith("/health")]
        assert asked, "`/health` says nothing about credentials"
        assert {status for _, status in answers} == {200}


@pytest.mark.parametrize("uri", [None, "sqlite:///mlflow.db", "http://127.0.0.1:9", "http://[::1"])
def test_a_store_that_is_away_or_no_server_is_left_to_the_study(given, address, uri):
    """The same wrong login is refused where a server can be asked."""
    given("lab:wrong")
    with pytest.raises(UserError, match="refuses the credentials"):
        expect_mlflow_login(address)
    asked = len(Locked.answers)
    expect_mlflow_login(uri)
    assert len(Locked.answers) == asked
