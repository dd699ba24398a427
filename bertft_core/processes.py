"""Child processes of ours: nothing in the current folder shadows their modules, and they are gone when their parent is.

`python -m MODULE` puts the current folder first on the path, where a user's own `flows.py`, `types.py` or `torch/` would be
imported instead. A child is started with `-P`, without the current folder in PYTHONPATH, and with our packages imported before
anything else: by this file, run as a script.
"""

import atexit
import importlib
import logging
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
"""The folder that holds our packages."""
PACKAGES = ("bertft_core", "tasks", "flows")
N_LOG_LINES = 8
Child = subprocess.Popen[bytes]
LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""This machine itself."""


def module_command(module: str, *words: str) -> list[str]:
    """The command that runs one of our modules, to be started in `child_environment()`."""
    return [sys.executable, "-P", __file__, module, *words]


def run_module(module: str) -> None:
    """Run one of our modules as `__main__`; our packages are those beside this file, whatever else the path holds."""
    sys.path.insert(0, str(ROOT))
    for package in PACKAGES:
        importlib.import_module(package)
    sys.path.remove(str(ROOT))
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def child_environment(more: dict[str, str] | None = None, *, without: Collection[str] = ()) -> dict[str, str]:
    """Our environment less `without`, and `more`, for children and grandchildren.

    They do not import from the current folder, reach servers of this machine past any proxy, and write UTF-8 to pipes and logs.
    """
    kept = {name: value for name, value in os.environ.items() if name not in without}
    environment = (
        kept | (more or {}) | loopback_without_proxy(kept) | {"PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8:replace"}
    )
    environment["PYTHONPATH"] = without_current_folder(environment.get("PYTHONPATH", ""))
    return environment


def loopback_without_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """NO_PROXY in both cases, because libraries differ in which they read: what it holds already, and this machine itself."""
    given = [environment.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    hosts = dict.fromkeys(host.strip() for value in given for host in value.split(",") if host.strip())
    value = "*" if "*" in hosts else ",".join(dict.fromkeys([*hosts, *LOOPBACK]))
    return {"no_proxy": value, "NO_PROXY": value}


def without_current_folder(python_path: str) -> str:
    """PYTHONPATH without empty and relative entries and without the current folder itself."""
    here = Path.cwd()
    kept = [entry for entry in python_path.split(os.pathsep) if os.path.isabs(entry) and Path(entry).resolve() != here]  # noqa: PTH117
    return os.pathsep.join(kept)


def on_stdin(at_end: Callable[[], object], on_line: Callable[[str], object] = len) -> None:
    """Read stdin in a thread: `on_line` gets each line, and `at_end` is called when the parent, which holds it, is gone."""

    def read() -> None:
        for line in sys.stdin:
            on_line(line)
        at_end()

    threading.Thread(target=read, daemon=True).start()


def leave() -> None:
    """End this process at once, wherever its main thread is."""
    os._exit(0)


_END: dict[str, int] = {}
"""The exit code of an `end_process`."""


def end_process(code: int) -> NoReturn:
    """End this process as `sys.exit` does, without taking every module and object apart, which takes seconds after big imports.

    What must happen at the end does: threads are waited for, exit handlers called, and output flushed. A stream that cannot be
    flushed makes it an ordinary end. For the main thread, where nobody catches `SystemExit`.
    """
    _END["code"] = code
    sys.exit(code)


@atexit.register
def _leave_last() -> None:
    """The last of the exit handlers: they are called in reverse, and this file is imported before what registers others.

    Only `logging` comes earlier, whose handler is called here.
    """
    if "code" not in _END:
        return
    logging.shutdown()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:  # of whatever stands in their place: Python's own end reports it
        return
    os._exit(_END["code"])


def how_it_ended(code: int) -> str:
    """'was ended by SIGBUS' or 'exited with code 3', for the exit status of a child."""
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"


class ChildLog:
    """The log file of a child, from where it stood when the child was started."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._start = path.stat().st_size if path.exists() else 0

    def start(
        self,
        module: str,
        *words: str,
        environment: dict[str, str],
        stdin: int = subprocess.PIPE,
        stdout: int | None = None,
        cwd: Path | None = None,
    ) -> Child:
        """Start one of our modules in a `child_environment()`; we hold its stdin, the log or `stdout` gets its output."""
        with self.path.open("ab") as log:
            return subprocess.Popen(
                module_command(module, *words),
                stdin=stdin,
                stdout=log if stdout is None else stdout,
                stderr=log,
                env=environment,
                cwd=cwd,
                start_new_session=True,  # Ctrl-C in a terminal is for the parent, which then ends its workers
            )

    @property
    def is_empty(self) -> bool:
        """The child has written nothing."""
        return not self.path.exists() or self.path.stat().st_size <= self._start

    def last_lines(self, n: int = N_LOG_LINES) -> str:
        """The last lines that the child wrote, blank ones left out; a sentence in their place where it wrote none."""
        content = self.path.read_bytes()[self._start :] if self.path.exists() else b""
        lines = [line.rstrip() for line in content.decode("utf-8", "replace").splitlines() if line.strip()]
        return "\n".join(lines[-n:]) or "nothing in its log"


if __name__ == "__main__":
    run_module(sys.argv.pop(1))
