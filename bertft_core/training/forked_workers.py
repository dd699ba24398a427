"""Workers that are forked from one process which has imported what they need: ready at once, the libraries in memory once.

For Linux, and for workers without a GPU, whose environments are all the same; see docs/decisions/0003.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import IO

from bertft_core.processes import ChildLog, child_environment
from bertft_core.training.worker_template import MESSAGE_BYTES
from bertft_core.training.workers import Worker


def can_fork(environment: dict[str, str]) -> bool:
    """Workers of this environment need no process that is their own from the start, which one with a GPU does."""
    return environment.get("CUDA_VISIBLE_DEVICES") == "" and _can_watch_processes()


@functools.cache
def _can_watch_processes() -> bool:
    """Some containers forbid it, and a Python that was built with old headers, such as conda's, does not know how."""
    if sys.platform != "linux":
        return False
    try:
        process = os.pidfd_open(os.getpid())
        try:
            signal.pidfd_send_signal(process, 0)
        finally:
            os.close(process)
    except (OSError, AttributeError):
        return False
    return True


class ForkedProcess:
    """One worker; a `WorkerProcess`."""

    def __init__(self, template: WorkerTemplate, number: int, stdin: int, stdout: int) -> None:
        self.stdin: IO[bytes] | None = os.fdopen(stdin, "wb")
        self.stdout: IO[bytes] | None = os.fdopen(stdout, "rb")
        self._template, self.number = template, number
        self._pid: int | None = None
        self._code: int | None = None
        self._changed = threading.Condition()

    @property
    def pid(self) -> int:
        """Waits until the template has forked it. Raises `ProcessLookupError` where that has ended before."""
        with self._changed:
            self._changed.wait_for(lambda: self._pid is not None or self._code is not None)
        if self._pid is None:
            raise ProcessLookupError("the worker has never started")
        return self._pid

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it lives or is about to."""
        return self._code

    def wait(self) -> int:
        """Its exit code, as soon as it has one."""
        with self._changed:
            self._changed.wait_for(lambda: self._code is not None)
        assert self._code is not None
        return self._code

    def kill(self) -> None:
        """End it now, or as soon as it has started."""
        self._template.ask({"kill": self.number})
        if self._pid is None:  # the template still imports: nobody need wait for a worker that will not live
            self.hear(code=-signal.SIGKILL)

    def hear(self, *, pid: int | None = None, code: int | None = None) -> None:
        """What the template says of it; the first exit code stays."""
        with self._changed:
            self._pid = pid if pid is not None else self._pid
            self._code = code if self._code is None else self._code
            self._changed.notify_all()


class WorkerTemplate:
    """The process that workers of one environment are forked from."""

    def __init__(self, environment: dict[str, str], log_path: Path) -> None:
        self._log, self._forked = ChildLog(log_path), list[ForkedProcess]()
        self._socket, its_own = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its_own:
            self._process = self._log.start(
                "bertft_core.training.worker_template", environment=child_environment(environment), stdin=its_own.fileno()
            )
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def new_worker(self, log_path: Path) -> Worker:
        """A worker that comes to life when the template has imported what it needs."""
        (its_stdin, stdin), (stdout, its_stdout) = os.pipe(), os.pipe()
        log = ChildLog(log_path)
        with log_path.open("ab") as stderr, self._lock:
            process = ForkedProcess(self, len(self._forked), stdin, stdout)
            self._forked.append(process)
            with contextlib.suppress(OSError):  # the template has ended; `_listen` reports that to the worker
                socket.send_fds(
                    self._socket, [json.dumps({"number": process.number}).encode()], [its_stdin, its_stdout, stderr.fileno()]
                )
        os.close(its_stdin)
        os.close(its_stdout)
        if not self.alive:
            process.hear(code=self._process.wait() or -signal.SIGKILL)
        return Worker(process, log, self._log)

    def ask(self, request: dict[str, int]) -> None:
        """Send a request, if there is still somebody to hear it."""
        with contextlib.suppress(OSError):
            self._socket.send(json.dumps(request).encode())

    def kill(self) -> None:
        """End it and its workers now, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while answer := self._socket.recv(MESSAGE_BYTES):
                said = json.loads(answer)
                self._forked[said.pop("number")].hear(**said)
        code = self._process.wait()
        with self._lock:
            for process in self._forked:
                process.hear(code=code or -signal.SIGKILL)
        self._socket.close()
