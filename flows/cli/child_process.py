"""Runs a command that ends when its parent does: `python -m flows.cli.child_process COMMAND …`, the parent holding our stdin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

GRACE_SECONDS = 5.0


class ChildCommand:
    """A command with children of its own (a web server and its workers) that is gone with us, whatever ends us."""

    def __init__(self, command: list[str], log_path: Path, environment: dict[str, str]) -> None:
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli.child_process", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=os.environ | environment,
                start_new_session=True,
            )

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
        sys.stdin.buffer.read()
        child.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=leave_with_parent, daemon=True).start()
    return child.wait()


if __name__ == "__main__":
    sys.exit(_hold(sys.argv[1:]))
