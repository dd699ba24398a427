"""Failures and regressions reach a webhook, through automations on a real Prefect server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.helpers.served_flows import ROOT, Served
from tests.helpers.waiting import until

pytestmark = pytest.mark.slow


class Chat(HTTPServer):
    """Takes messages on 127.0.0.1."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.texts: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/secret-path"


class Handler(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        assert (self.path, self.headers["Content-Type"]) == ("/secret-path", "application/json")
        self.server.texts.append(json.loads(content)["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture(scope="module")
def chat(served) -> Iterator[Chat]:
    chat = Chat()
    for _ in range(2):  # the second time in place of the first
        ended = subprocess.run(
            [sys.executable, "-m", "flows.cli.app", "server", "notify"],
            input=f"{chat.url}\n",
            env=served.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        assert "secret-path" not in ended.stdout + ended.stderr
    yield chat
    chat.shutdown()


def automations(served: Served) -> dict[str, dict[str, Any]]:
    """Ours, by name."""
    found = [each for each in served.post("automations/filter") if each["name"].startswith("bertft: ")]
    assert len({each["name"] for each in found}) == len(found)
    return {each["name"]: each for each in found}


def renew(served: Served) -> None:
    """As `bertft server up` does it."""
    served.command(f"{sys.executable} -P -m flows.cli.notify_command")


def test_without_a_webhook_there_is_nothing_to_renew(served):
    renew(served)
    assert automations(served) == {}


def test_the_automations_are_there_once_and_are_renewed(served, chat):
    before = automations(served)
    assert before.keys() == {"bertft: a flow failed", "bertft: a study regressed"}
    assert all(each["enabled"] for each in before.values())
    served.command("prefect --no-prompt automation delete 'bertft: a flow failed'")
    renew(served)
    after = automations(served)
    assert after.keys() == before.keys()
    assert {name: each["actions"] for name, each in after.items()} == {name: each["actions"] for name, each in before.items()}


def test_a_failed_flow_is_told_once(served, chat):
    deployment = served.get("deployments/name/run-study/run-study")
    asked = {"config": "no-such-study.yaml"}
    run = served.post(f"deployments/{deployment['id']}/create_flow_run", parameters=asked, state={"type": "SCHEDULED"})
    assert served.ended(run)["state_type"] == "FAILED"
    told = until(lambda: [text for text in chat.texts if "run-study" in text], "a message")
    assert len(told) == 1
    assert "Failed: " in told[0]
    assert "no-such-study.yaml" in told[0]


def test_a_regressed_study_is_told_with_its_metrics(served, chat):
    moved = [{"metric": "accuracy"}, {"metric": "f1"}]
    event = {
        "occurred": datetime.now(UTC).isoformat(),
        "event": "bertft.study.regressed",
        "resource": {"prefect.resource.id": "bertft.study.quickstart-again"},
        "payload": {"reference": "quickstart", "moved": moved},
        "id": str(uuid.uuid4()),
    }
    served._api.post("events", json=[event]).raise_for_status()
    told = until(lambda: [text for text in chat.texts if "regressed" in text], "a message")
    assert told == ["study quickstart regressed: accuracy, f1"]
