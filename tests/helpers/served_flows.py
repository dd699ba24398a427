"""A Prefect server and a process worker on 127.0.0.1 with every deployment, set up by the commands of docs/guides/prefect.md."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil

from flows.cli.embedded_server import free_port
from tests.helpers.study_commands import clean_environment
from tests.helpers.waiting import until

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "prefect.md").read_text(encoding="utf-8")
POLL_SECONDS = 0.5
"""Asked fifty times a second, a server on SQLite is so busy with answers that others wait for theirs in vain."""
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class Served:
    """Server, pool, deployments and worker for the length of a `with` block; the API by `get` and `post`."""

    def __init__(self, directory: Path) -> None:
        port, self.directory = free_port(), directory
        url = f"http://127.0.0.1:{port}/api"
        self.environment = clean_environment(
            PREFECT_API_URL=url,
            PREFECT_HOME=str(directory / "prefect"),
            PREFECT_SERVER_API_HOST="127.0.0.1",
            PREFECT_SERVER_API_PORT=str(port),
            PREFECT_WORKER_QUERY_SECONDS="1",
            PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            DO_NOT_TRACK="true",
        )
        self._api = httpx.Client(base_url=f"{url}/", timeout=30)
        self._started: list[psutil.Popen] = []

    def __enter__(self) -> Served:
        try:
            self._start("prefect server start --analytics-off")
            until(self._answers, "the server")
            self.guided("prefect work-pool create local --type process")
            self.guided("prefect --no-prompt deploy --all")
            self.worker = self._start("prefect worker start --pool local --limit 1")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        """End what was started, and what that has started in sessions of its own."""
        below = [child for process in self._started for child in process.children(recursive=True)]
        for process in [*reversed(self._started), *below]:
            if process.is_running():
                process.kill()
        psutil.wait_procs([*self._started, *below], timeout=10)
        self._api.close()

    def guided(self, line: str, cwd: Path = ROOT) -> str:
        """What a command line of the guide prints."""
        assert f"\n{line}\n" in GUIDE
        return self.command(line, cwd)

    def command(self, line: str, cwd: Path = ROOT) -> str:
        ended = subprocess.run(
            shlex.split(line), env=self.environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=120
        )
        assert ended.returncode == 0, f"{line}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def _start(self, line: str) -> psutil.Popen:
        assert f"\n{line}\n" in GUIDE
        with (self.directory / f"{len(self._started)}.log").open("ab") as log:
            process = psutil.Popen(
                shlex.split(line), env=self.environment, cwd=self.directory, stdout=log, stderr=log, start_new_session=True
            )
        self._started.append(process)
        return process

    def _answers(self) -> bool:
        try:
            return self._api.get("health").is_success
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> Any:
        return self._api.get(path).raise_for_status().json()

    def post(self, path: str, **content: Any) -> Any:
        return self._api.post(path, json=content).raise_for_status().json()

    def start(self, deployment: str, **asked: Any) -> dict[str, Any]:
        """A flow run of a deployment; asked for again, by the same key, where SQLite was busy."""
        found, key = self.get(f"deployments/name/{deployment}"), uuid4().hex
        wanted = {"parameters": asked, "state": {"type": "SCHEDULED"}, "idempotency_key": key}

        def created() -> dict[str, Any] | None:
            try:
                return self.post(f"deployments/{found['id']}/create_flow_run", **wanted)
            except httpx.ReadTimeout:
                return None
            except httpx.HTTPStatusError as error:
                if error.response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    raise
                return None

        return until(created, f"a run of {deployment}", every=POLL_SECONDS)

    def flow_run(self, deployment: str) -> dict[str, Any]:
        """The first run of a deployment, when there is one."""
        named = {"deployments": {"name": {"any_": [deployment]}}}
        return until(lambda: self.post("flow_runs/filter", **named), f"a run of {deployment}", every=POLL_SECONDS)[0]

    def ended(self, run: dict[str, Any]) -> dict[str, Any]:
        """The flow run in its final state."""

        def final() -> dict[str, Any] | None:
            now = self.get(f"flow_runs/{run['id']}")
            return now if now["state_type"] in FINAL else None

        return until(final, f"the end of {run['name']}", every=POLL_SECONDS)

    def log(self) -> str:
        """What server and worker have printed."""
        return "\n".join(path.read_text() for path in sorted(self.directory.glob("*.log")))


def write_files_of_guide(directory: Path) -> list[str]:
    """The guide's code blocks that begin with a file's name, as files; their names."""
    blocks = re.findall(r"```\w+\n# (\S+)\n(.*?)```", GUIDE, flags=re.DOTALL)
    for name, text in blocks:
        (directory / name).write_text(text, encoding="utf-8")
    return [name for name, _ in blocks]
