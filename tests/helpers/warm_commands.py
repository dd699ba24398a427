"""A process that has imported what commands import and becomes each one by a fork: most of what a command costs is its start.

Run as a module it is that process. It reads a request a line, and writes the exit code of each command when it has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

IMPORTED = ("torch", "mlflow", "flows.cli.run_command", "flows.run_study")
"""What takes long to import, and most commands need."""


class WarmCommands:
    """Commands in one environment, one after the other; the process ends with ours, because its input does."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", __name__]
        self._process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, words: Sequence[str], cwd: Path, timeout: float) -> subprocess.CompletedProcess[str]:
        """`bertft` with these words to its end; after `timeout` seconds it is killed, and later commands with it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with TemporaryDirectory() as folder:
            out, err = Path(folder, "stdout"), Path(folder, "stderr")
            print(json.dumps([words, str(cwd), str(out), str(err)]), file=self._process.stdin, flush=True)
            timer = threading.Timer(timeout, self._process.kill)
            timer.start()
            answer = self._process.stdout.readline()
            timer.cancel()
            assert answer, f"{words} took more than {timeout} s, or the process of all commands ended"
            return subprocess.CompletedProcess(words, int(answer), out.read_text("utf-8"), err.read_text("utf-8"))


@cache
def warm_commands(environment: frozenset[tuple[str, str]]) -> WarmCommands:
    """The process whose forks are commands in this environment."""
    return WarmCommands(dict(environment))


def _import_all() -> None:
    """What `bertft run` imports, in the environment that it would make first."""
    from tasks.process_environment import keep_prefect_out_of_the_terminal, settle_environment

    settle_environment()
    keep_prefect_out_of_the_terminal()
    for name in IMPORTED:
        import_module(name)
    # Threads are not forked. Of those that are no Python's there is Arrow's allocator's, which is ready for forks.
    assert threading.active_count() == 1


def _become(words: list[str], cwd: str, out: str, err: str) -> None:
    """Be the command, with outputs of its own and no input."""
    os.chdir(cwd)
    flags = os.O_WRONLY | os.O_CREAT
    for number, path, mode in ((0, os.devnull, os.O_RDONLY), (1, out, flags), (2, err, flags)):
        os.dup2(os.open(path, mode), number)
    sys.argv = ["bertft", *words]
    from flows.cli.app import main

    main(words)


def _serve() -> None:
    _import_all()
    for line in sys.stdin:
        words, cwd, out, err = json.loads(line)
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(OSError):
                sys.stdin.close()
            _become(words, cwd, out, err)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
