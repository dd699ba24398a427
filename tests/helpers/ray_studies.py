"""Studies on a Ray cluster of this machine: the commands, and what they share; nodes see nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.helpers.ray_lab import START_SECONDS, RayLab
from tests.helpers.study_commands import Started, TinyStudy, clean_environment, write_shared
from tests.helpers.waiting import until

POOL, PREFECT_PORT = "runs", 4299
SECONDS = 3 * START_SECONDS
"""For a command with its own Prefect server beside a cluster, on two busy cores."""


class StudyLab(RayLab):
    """With what studies share, and the commands over them; nodes see nothing of it."""

    def study(self, name: str, engine: str, **changes: Any) -> TinyStudy:
        shared = self.path / "driver" / "shared"
        if not shared.exists():
            shared.mkdir()
            write_shared(shared)
        execution = {"device": "cpu", "kernels": "mkl", "slots": 2} | changes.pop("execution", {})
        if engine != "local":
            address = self.address if engine == "ray" else POOL
            stored = {"store": f"{self.store}/{name}-{engine}", "upload_every_seconds": 0.5}
            execution = {"engine": engine, "address": address, **stored} | execution
        folder = self.path / "driver" / f"{name}-{engine}"
        environment = clean_environment() | self.variables | (self.of_pool if engine == "work_pool" else {})
        return TinyStudy(folder, shared, environment, **changes, execution=execution)

    def start(self, study: TinyStudy, *options: str) -> Started:
        words = ["-m", "flows.cli.app", "run", str(study.config), *options, "--home", str(study.home)]
        return Started([*self.beside_head, sys.executable, *words], study.environment, study.home.parent / "stderr.txt")

    def finish(self, study: TinyStudy) -> str:
        """Run it to its end; what it wrote to stderr."""
        return ended(self.start(study))

    @property
    def of_pool(self) -> dict[str, str]:
        """Variables of a command that finds the Prefect server of `start_pool`."""
        return {"PREFECT_API_URL": f"http://127.0.0.1:{PREFECT_PORT}/api", "PREFECT_HOME": str(self.path / "prefect")}

    def start_pool(self) -> None:
        """A Prefect server beside the head, and a worker for flow runs that sees neither driver nor nodes; until the lab ends."""
        node = self.path / "pool-node"
        node.mkdir()
        self._beside = [self._background("prefect.log", sys.executable, "-m", "flows.cli.embedded_server", str(PREFECT_PORT))]
        prefect = [sys.executable, "-m", "prefect"]
        create = [*self.beside_head, *prefect, "work-pool", "create", POOL, "--type", "process"]

        def created() -> bool:
            return subprocess.run(create, env=self.beside_environment, cwd=self.path, capture_output=True).returncode == 0

        until(created, "the work pool", START_SECONDS, every=2, told=(self.path / "prefect.log").read_text)
        hidden = [self.path / "driver", *(self.path / f"node{i}" for i in range(1, self.n_nodes + 1))]
        script = "".join(f"mount -t tmpfs tmpfs {folder} && " for folder in hidden) + 'exec "$@"'
        worker = [*prefect, "worker", "start", "--pool", POOL, "--limit", "2"]
        variables = {"BERTFT_NODE_HOME": str(node), "PREFECT_WORKER_QUERY_SECONDS": "1"}
        self._beside.append(self._background("worker.log", "unshare", "--mount", "sh", "-c", script, "sh", *worker, **variables))

    @property
    def beside_environment(self) -> dict[str, str]:
        """Of what runs beside the head and is no part of the cluster."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return clean_environment() | self.variables | self.of_pool | {"PATH": path}

    def _background(self, log: str, *words: str, **variables: str) -> subprocess.Popen[str]:
        with (self.path / log).open("w") as file:
            return subprocess.Popen(
                [*self.beside_head, *words],
                env=self.beside_environment | variables,
                cwd=self.path,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                text=True,
            )

    @property
    def workers(self) -> list[int]:
        return [pid for i in range(1, self.n_nodes + 1) for pid in self.workers_in(i)]


def ended(command: Started) -> str:
    code = command.process.wait(SECONDS)
    assert code == 0, command.stderr
    assert "Traceback" not in command.stderr, command.stderr
    return command.stderr
