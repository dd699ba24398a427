"""The process that keeps a lab running: it starts the services in their order, starts again what ends, and stops all on SIGTERM.

Every service is its child and ends with it, however it ends. It says in `state.json` how far it is.
"""

import signal
import sys
import threading
import time
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from bertft_core.config import UserError
from bertft_core.storage.study_dir import write_record
from flows.cli.lab.credentials import read_credentials
from flows.cli.lab.databases import expect_databases, lab_url, make_databases
from flows.cli.lab.deployments import deploy
from flows.cli.lab.lab_dir import Lab, LabDir, LabState
from flows.cli.lab.postgres import checked_folder, make_cluster, stop_server
from flows.cli.lab.running_service import RunningService
from flows.cli.lab.services import MLFLOW, POSTGRES, PREFECT, answers, mlflow_server, own_postgres, prefect_server, worker
from tasks.process_identity import this_process
from tasks.study_lock import PROBED_SECONDS

START_SECONDS = 900.0
"""A server starts in some seconds; on a busy machine it was seen to take five minutes."""
LOOK_SECONDS = 0.5


class Supervisor:
    """Starts and watches the services of one lab."""

    def __init__(self, lab: Lab, lab_dir: LabDir) -> None:
        self._lab, self._dir = lab, lab_dir
        self._credentials = read_credentials(lab_dir.credentials_path)
        self._services: dict[str, RunningService] = {}
        self._state = LabState(owner=this_process())
        self._began = time.monotonic()
        self.stopping = threading.Event()

    def run(self) -> int:
        """Start all and keep it running until it is to stop; 1 after a service that does not start, which the state tells."""
        try:
            self._say()
            self._start_all()
            self._say(is_up=True)
            while not self.stopping.wait(LOOK_SECONDS):
                self._restart()
        except UserError as error:
            self._say(problem=error.fields)
            return 1
        finally:
            self._stop()
        return 0

    def _say(self, **changes: object) -> None:
        self._state = self._state.model_copy(update=changes)
        write_record(self._dir.state_path, self._state)

    def _start_all(self) -> None:
        url = lab_url(self._dir.postgres_dir, self._lab.database)
        if self._lab.database is None:
            self._start_postgres(url)
        expect_databases(url)
        self._ready(POSTGRES)
        for server in (prefect_server, mlflow_server):
            self._start(RunningService(server(self._lab, self._dir, self._credentials), self._dir))
        self._await(PREFECT)
        deploy(self._lab, self._dir, self._credentials)
        self._await(MLFLOW)
        self._start(RunningService(worker(self._lab, self._dir, self._credentials), self._dir))

    def _start_postgres(self, url: URL) -> None:
        folder = self._dir.postgres_dir
        checked_folder(folder)
        make_cluster(folder)
        postgres = self._start(RunningService(own_postgres(self._dir), self._dir, before_end=lambda: stop_server(folder)))
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return make_databases(url)
            except OperationalError:  # it is still starting
                self._pause(postgres, deadline)

    def _start(self, service: RunningService) -> RunningService:
        self._services[service.name] = service
        service.start()
        return service

    def _await(self, name: str) -> None:
        """Return when the server lets us in. Raises `UserError` when it ends, refuses our login, or is silent for too long."""
        deadline = time.monotonic() + START_SECONDS
        while (answer := answers(name, self._lab, self._dir, self._credentials)) != "ready":
            if answer == "refused":
                raise self._services[name].failure("it refuses the passwords in credentials.env")
            self._pause(self._services[name], deadline)
        self._ready(name)

    def _pause(self, service: RunningService, deadline: float) -> None:
        if self.stopping.wait(LOOK_SECONDS):
            raise SystemExit(0)
        if service.ended or time.monotonic() > deadline:
            raise service.failure(service.ended or f"no answer within {START_SECONDS:.0f} s")

    def _ready(self, name: str) -> None:
        self._say(ready=self._state.ready | {name: round(time.monotonic() - self._began, 1)})

    def _restart(self) -> None:
        for service in self._services.values():
            if service.started_again():
                self._say(restarts={name: each.restarts for name, each in self._services.items() if each.restarts})

    def _stop(self) -> None:
        """In reverse order: nobody loses a server that it still needs."""
        for service in reversed(self._services.values()):
            service.stop()


def main(home: str) -> int:
    """Keep the lab of a home running."""
    lab_dir = LabDir(Path(home))
    lab = lab_dir.lab()
    assert lab is not None  # `up` has written it
    with lab_dir.lock.acquire(timeout=PROBED_SECONDS):
        supervisor = Supervisor(lab, lab_dir)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stopping.set())
        return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
