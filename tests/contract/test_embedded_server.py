"""Prefect's server of one command comes back when it is killed, and says plainly when it cannot start at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from bertft_core.config import UserError
from bertft_core.storage import disk_errors
from flows.cli.embedded_server import MAX_RESTARTS, EmbeddedServer
from tests.helpers.waiting import until


@pytest.fixture
def server_of(monkeypatch, tmp_path):
    """A server whose process runs some Python instead; the ids of the processes that were started."""

    def make(code: str) -> tuple[EmbeddedServer, list[int]]:
        started: list[int] = []

        def start(self):
            process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
            started.append(process.pid)
            return process

        monkeypatch.setattr(EmbeddedServer, "_start", start)
        return EmbeddedServer(tmp_path / "server.log", port=9), started

    return make


def test_a_killed_server_is_started_again_and_a_stopped_one_is_not(server_of):
    server, started = server_of("import sys; sys.stdin.read()")
    for n in (1, 2):
        os.kill(server.pid, signal.SIGKILL)
        until(lambda n=n: len(started) == n + 1)
    assert server.pid == started[-1]
    server.stop()
    time.sleep(0.3)
    assert len(started) == 3


def test_a_server_that_exits_while_it_starts_is_reported_at_once_with_its_log(server_of, tmp_path):
    server, started = server_of("raise SystemExit(3)")
    (tmp_path / "server.log").write_text("no module named uvicorn\n")
    with pytest.raises(UserError, match="does not start") as raised:
        server.wait_until_ready()
    assert raised.value.path == str(tmp_path / "server.log")
    assert "code 3" in raised.value.found
    assert "no module named uvicorn" in raised.value.found
    assert len(started) == 1


def test_a_server_that_is_killed_again_and_again_is_given_up(server_of):
    server, started = server_of("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(UserError, match="does not start") as raised:
        server.wait_until_ready()
    assert "it was ended by SIGKILL" in raised.value.found
    assert len(started) == MAX_RESTARTS + 1


def test_a_server_that_may_write_no_more_is_reported_with_that_reason(server_of, monkeypatch):
    server, _ = server_of("raise SystemExit(3)")
    monkeypatch.setattr(disk_errors, "_probed", lambda directory: errno.EFBIG)
    with pytest.raises(UserError) as raised:
        server.wait_until_ready()
    assert "(ulimit -f)" in raised.value.problem
    assert raised.value.hint.startswith("raise the limit with ulimit -f")
