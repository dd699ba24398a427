"""A command on a pseudo-terminal of a given size: what a person at a terminal sees of it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

STEERING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[()][A-Z0-9]")
PATIENCE_SECONDS = 120.0


class OnTerminal:
    """A process whose standard streams are a terminal; `text` is all that it has written so far, without steering codes."""

    def __init__(
        self, command: Sequence[str], *, columns: int = 80, rows: int = 24, cwd: Path | None = None, **variables: str
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")}
        environment = kept | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | variables
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=cwd, close_fds=True, start_new_session=True
        )
        os.close(theirs)
        self.raw = b""

    @property
    def text(self) -> str:
        return STEERING.sub("", self.raw.decode("utf-8", "replace"))

    def until(self, words: str) -> str:
        """Read on until these words have been written, or the end; the text by then. Fails where they never are."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while words not in self.text and self._more():
            assert time.monotonic() < deadline, self.text
        assert words in self.text, self.text
        return self.text

    def until_again(self, words: str, *, after: int) -> None:
        """Read on until these words have been written once more, after so many characters of the text."""
        while words not in self.text[after:]:
            assert self._more(), self.text

    def read_for(self, seconds: float) -> None:
        """Read what comes in this time, which may be nothing."""
        if select.select([self._ours], [], [], seconds)[0]:
            self._more()

    def send(self, words: str) -> None:
        """Type these words."""
        os.write(self._ours, words.encode())

    def ended(self) -> str:
        """Read to the end of the process; the whole text."""
        while self._more():
            pass
        self.process.wait(PATIENCE_SECONDS)
        os.close(self._ours)
        return self.text

    def _more(self) -> bool:
        """Read what comes next; False at the end, and a failure where nothing comes for too long."""
        ready, _, _ = select.select([self._ours], [], [], PATIENCE_SECONDS)
        assert ready, f"nothing more was written\n{self.text}"
        try:
            read = os.read(self._ours, 65536)
        except OSError:  # Linux: all that had the other end are gone
            return False
        self.raw += read
        return bool(read)


def python_on_terminal(code: str, *, columns: int = 80, rows: int = 24, **variables: str) -> OnTerminal:
    """A piece of Python code as that process."""
    return OnTerminal([sys.executable, "-c", code], columns=columns, rows=rows, **variables)
