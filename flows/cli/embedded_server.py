"""Prefect's server for one command: started beside it, gone with it, also when the command is killed.

Run as a module it is the guard: the server and a thread that leaves as soon as stdin reaches its end, which is when the
parent is gone. Prefect's own ephemeral server outlives a `kill -9` of its parent.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from bertft_core.config.errors import UserError

START_TIMEOUT_SECONDS = 120.0
MAX_RESTARTS = 5
"""Of a server that was killed; Prefect's client goes on asking for a minute, which is longer than a start takes."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class EmbeddedServer:
    """A Prefect API on 127.0.0.1 for as long as the `with` block; other processes reach it through PREFECT_API_URL."""

    def __init__(self, log_path: Path, *, ui: bool = False, port: int | None = None) -> None:
        self.port = port or free_port()
        self.api_url = f"http://127.0.0.1:{self.port}/api"
        log_path.parent.mkdir(parents=True, exist_ok=True)
        if ui:
            environment = {"PREFECT_UI_API_URL": self.api_url}
        else:  # no pages and fewer services: quicker
            environment = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
        self._environment, self._log_path = os.environ | environment, log_path
        self._lock, self._stopping, self._restarts = threading.Lock(), False, 0
        self._process = self._start()
        threading.Thread(target=self._keep_alive, daemon=True).start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "flows.cli.embedded_server", str(self.port)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def _keep_alive(self) -> None:
        """Start the server again when it was killed: its state is a file, and the command need not notice."""
        while self._restarts < MAX_RESTARTS:
            self._process.wait()
            with self._lock:
                if self._stopping:
                    return
                self._restarts += 1
                self._process = self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Return when the API answers. Raises `UserError` when the server ends again and again, or is silent for two minutes."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline and (self._restarts < MAX_RESTARTS or self._process.poll() is None):
            try:
                with urllib.request.urlopen(f"{self.api_url}/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        ended = self._process.poll()
        raise UserError(
            "Prefect's embedded server does not start",
            path=self._log_path,
            found=f"no answer within {START_TIMEOUT_SECONDS:.0f} s" if ended is None else f"it ended with code {ended}",
            hint="read this log; what was finished before is kept",
        )

    def stop(self) -> None:
        """End the server and wait until it is gone."""
        with self._lock:
            self._stopping = True
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def _serve(port: int) -> None:
    import uvicorn

    def leave_with_parent() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=leave_with_parent, daemon=True).start()
    uvicorn.run(
        "prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port, log_level="error", lifespan="on"
    )


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
