"""Two drivers with homes of their own over one tracking server: one works, the other is told who; a silent one is relieved."""

from __future__ import annotations

import copy
import signal
import time
from collections.abc import Iterator

import pytest

from bertft_core.records import RunRecord
from tasks.study_lease import EVERY_SECONDS, MISSED
from tests.helpers.mlflow_server import mlflow_server
from tests.helpers.study_commands import LONG, TinyStudy

pytestmark = pytest.mark.slow
ENDLESS = {"training": LONG["training"] | {"max_steps": 100_000}}


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server.uri


@pytest.fixture
def drivers(new_study, tracking_uri, request) -> tuple[TinyStudy, TinyStudy]:
    """The same study in two homes."""
    one = new_study(name=request.node.name[5:40], tracking={"uri": tracking_uri, "log_models": False}, **ENDLESS)
    other = copy.copy(one)
    other.home = one.home.with_name("other")
    other.home.mkdir()
    return one, other


def test_a_second_driver_is_refused_and_comes_when_the_first_is_stopped(drivers):
    first, second = drivers
    working = first.start()
    working.until(first.checkpoints, "a state")
    refused = second.run(expect=2).stderr
    assert f"another command is running the study '{first.name}'" in refused
    assert f"process {working.process.pid} on" in refused
    assert "last heartbeat" in refused
    assert list(second.dir.path.glob("runs/*")) == []
    working.end(signal.SIGINT)
    working.wait()
    next_one = second.start()
    next_one.until(second.checkpoints, "a state")
    next_one.end(signal.SIGINT)
    next_one.wait()


def test_a_driver_that_slept_too_long_stops_when_another_has_taken_over(drivers):
    first, second = drivers
    working = first.start()
    working.until(first.checkpoints, "a state")
    working.process.send_signal(signal.SIGSTOP)
    second.run(expect=2)
    time.sleep((MISSED + 1) * EVERY_SECONDS)
    relief = second.start()
    relief.until(second.checkpoints, "a state")
    working.process.send_signal(signal.SIGCONT)
    assert working.wait() == 2
    assert f"another command has taken over the study '{first.name}'" in working.stderr
    assert f"process {relief.process.pid} on" in working.stderr
    records: list[RunRecord] = list(first.dir.records())
    assert [record.status for record in records if record.status == "failed"] == []
    relief.end(signal.SIGINT)
    relief.wait()
