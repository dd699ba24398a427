"""Prefect's server for one command: started beside it, gone with it, also when the command is killed.

Run as a module it is the server, which exits as soon as its stdin ends, that is when its parent is gone. Prefect's own
ephemeral server outlives a `kill -9` of its parent.
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
from bertft_core.processes import Child, ChildLog, child_environment, how_it_ended, leave, on_stdin
from bertft_core.storage.disk_errors import disk_error
from tasks.tracking.new_store import make_store

START_TIMEOUT_SECONDS = 300.0
"""On an idle machine it takes seven; here every core trains already, and other programs may want them too."""
MAX_RESTARTS = 5
"""Of a server that was killed; Prefect's client keeps asking for minutes, longer than a start takes."""


def free_port() -> int:
    """A free port of 127.0.0.1."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class EmbeddedServer:
    """A Prefect API on 127.0.0.1 for as long as the `with` block; other processes reach it through PREFECT_API_URL."""

    def __init__(self, log_path: Path, *, ui: bool = False, port: int | None = None) -> None:
        self.port = port or free_port()
        self.api_url = f"http://127.0.0.1:{self.port}/api"
        if ui:
            environment = {"PREFECT_UI_API_URL": self.api_url}
        else:  # no pages and fewer services: quicker
            environment = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
        self._environment, self._log = child_environment(environment), ChildLog(log_path)
        self._lock, self._stopping, self._restarts, self._has_answered = threading.Lock(), False, 0, False
        self._process = self._start()
        threading.Thread(target=self._keep_alive, daemon=True).start()

    def _start(self) -> Child:
        # Prefect reads .env, prefect.toml and pyproject.toml where it is started
        where = self._log.path.parent
        return self._log.start("flows.cli.embedded_server", str(self.port), environment=self._environment, cwd=where)

    def _keep_alive(self) -> None:
        """Start the server again when it was killed: its state is a file, and the command need not notice.

        A server that exits by itself before it has ever answered would do so again.
        """
        while self._restarts < MAX_RESTARTS:
            code = self._process.wait()
            with self._lock:
                if self._stopping or (code > 0 and not self._has_answered):
                    return
                self._restarts += 1
                self._process = self._start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Return when the API answers. Raises `UserError` when the server exits, at once, or is silent for five minutes."""
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline and not self._is_over():
            try:
                with urllib.request.urlopen(f"{self.api_url}/health", timeout=2):
                    self._has_answered = True
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        code = self._process.poll()
        how = f"no answer within {START_TIMEOUT_SECONDS:.0f} s" if code is None else f"it {how_it_ended(code)}"
        error = UserError(
            "Prefect's embedded server does not start",
            code="prefect.server-does-not-start",
            path=self._log.path,
            found=f"{how}; the end of its log:\n{self._log.last_lines()}",
            hint="fix what the log says; everything finished so far is kept",
        )
        raise disk_error(error, self._log.path.parent) or error  # SQLite hides the reason, and Prefect may log nothing

    def _is_over(self) -> bool:
        """The server has exited by itself, or was killed too often."""
        with self._lock:
            code = self._process.poll()
        return code is not None and (code > 0 or self._restarts >= MAX_RESTARTS)

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


def _serve(port: int, host: str = "127.0.0.1") -> None:
    on_stdin(leave)
    elsewhere = any(name.startswith(("PREFECT_API_DATABASE_", "PREFECT_SERVER_DATABASE_")) for name in os.environ)
    if not elsewhere and (home := os.environ.get("PREFECT_HOME")) is not None:
        make_store("prefect", Path(home) / "prefect.db")
    import uvicorn

    uvicorn.run("prefect.server.api.server:create_app", factory=True, host=host, port=port, log_level="error", lifespan="on")


if __name__ == "__main__":
    _serve(int(sys.argv[1]), *sys.argv[2:])
