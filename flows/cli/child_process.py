"""Runs a command that ends when its parent does: this module as a child, with its stdin held by the parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from bertft_core.processes import ChildLog, child_environment, on_stdin
from tasks.process_environment import SETTINGS, steering_servers

GRACE_SECONDS = 5.0


class ChildCommand:
    """A command with children of its own (a web server and its workers) that ends when this process does, however it ends."""

    def __init__(self, command: list[str], log_path: Path, environment: dict[str, str]) -> None:
        self.log = ChildLog(log_path)
        environment = child_environment(SETTINGS | environment, without=steering_servers(os.environ))
        self._process = self.log.start("flows.cli.child_process", *command, environment=environment, cwd=log_path.parent)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End the command and wait until it is gone."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()


def _hold(command: list[str]) -> int:
    """Run the command in this process group; end the whole group when stdin ends."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def leave_with_parent() -> None:
        child.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    on_stdin(leave_with_parent)
    return child.wait()


if __name__ == "__main__":
    sys.exit(_hold(sys.argv[1:]))
