"""Asked for the state of a flow run, a server that gives no answer is not asked again and again while nodes wait."""

from __future__ import annotations

import socket
import threading
from uuid import uuid4

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks.engines.flow_runs import FlowRuns
from tasks.prefect_patience import known_server


@pytest.mark.parametrize("answers", [True, False])
def test_an_unanswered_question_is_asked_once(answers):
    """Where nobody listens, and where whoever listens hangs up."""
    n_asked = 0
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            nonlocal n_asked
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                n_asked += 1
                connection.close()

        url = f"http://127.0.0.1:{server.getsockname()[1]}/api"
        thread = threading.Thread(target=hang_up, daemon=True)
        if answers:
            thread.start()
        else:
            server.close()
        with known_server(), temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 1}):
            assert FlowRuns.__new__(FlowRuns).state(uuid4()) is None
        if answers:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
    assert n_asked == answers
