"""One service of a lab as a process: started, started again when it ends, and stopped with all that it has started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from bertft_core.config import UserError
from bertft_core.processes import Child, ChildLog, how_it_ended
from flows.cli.lab.lab_dir import LabDir
from flows.cli.lab.services import WORKER, Service

STOP_SECONDS = 20.0
LONGEST_PAUSE_SECONDS = 60.0
"""Between two starts of a service that ends again and again; the first pause is a second, and each is twice the one before."""
STEADY_SECONDS = 300.0
"""After it the pauses begin anew."""


class RunningService:
    """A service and its process."""

    def __init__(self, service: Service, lab_dir: LabDir, before_end: Callable[[], object] | None = None) -> None:
        self._service, self._dir, self._before_end = service, lab_dir, before_end
        self._log = ChildLog(lab_dir.log_path(service.name))
        self._process: Child | None = None
        self._started, self._pause, self._due = 0.0, 1.0, 0.0
        self.restarts = 0

    @property
    def name(self) -> str:
        return self._service.name

    def start(self) -> None:
        """Start its process."""
        module, words, environment = self._service.module, self._service.words, self._service.environment
        self._process = self._log.start(module, *words, environment=environment, cwd=self._dir.path)
        self._started = time.monotonic()

    @property
    def ended(self) -> str:
        """How its process has ended; empty while it runs."""
        code = None if self._process is None else self._process.poll()
        return "" if code is None else f"it {how_it_ended(code)}"

    def started_again(self) -> bool:
        """Start it again if it has ended, after a pause; whether it was started now."""
        now = time.monotonic()
        if not self.ended:
            return False
        if not self._due:
            if self.name != WORKER:  # a study that it has started goes on
                self._end_rest()
            self._pause = 1.0 if now - self._started > STEADY_SECONDS else min(2 * self._pause, LONGEST_PAUSE_SECONDS)
            self._due = now + self._pause
        if now < self._due:
            return False
        self._due = 0.0
        self.restarts += 1
        self.start()
        return True

    def stop(self) -> None:
        """End its process and everything below it, a study that a worker runs too; that one resumes when it is started again."""
        if self._process is None:
            return
        if self.ended:
            self._end_rest()
        below = _below(self._process.pid)
        if self._before_end is not None:
            self._before_end()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        left = [process for process in below if process.is_running()]
        for process in left:
            with suppress(psutil.NoSuchProcess):  # it has ended since
                process.terminate()
        for process in psutil.wait_procs(left, timeout=STOP_SECONDS)[1]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _end_rest(self) -> None:
        """End what its process has left behind, such as MLflow's web server, which would keep the port from the next one.

        All of it is in the process group that was made for it.
        """
        if self._process is not None:
            with suppress(ProcessLookupError):  # nothing is left
                os.killpg(self._process.pid, signal.SIGKILL)

    def failure(self, found: str) -> UserError:
        """What to say of a service that does not start."""
        return UserError(
            f"{self.name} of the lab does not start",
            code="server.service-does-not-start",
            path=self._log.path,
            found=f"{found}; the end of its log:\n{self._log.last_lines()}",
            hint="fix what the log says; bertft server up starts from here",
        )


def _below(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
