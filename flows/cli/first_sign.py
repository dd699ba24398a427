"""A first sign on a terminal while a command says nothing yet: it turns within half a second, and is gone before the first line.

It comes back where a command is silent again. Nothing of it in a pipe. Only the standard library is imported: the sign must be
there before what takes time is loaded.
"""

import os
import sys
import threading
import time
from collections.abc import Sequence

FIRST_SECONDS = 0.2
"""Of silence, before the first sign."""
AGAIN_SECONDS = 1.0
"""Of silence after a line."""
TURN_SECONDS = 0.1
CLOCK_FROM_SECONDS = 3
TURNS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_TURNS = "|/-\\"
CLEAR = b"\r\x1b[K"
SILENT = ("--json", "-q", "--quiet", "--help", "--version", "--show-completion", "--install-completion")
"""Words with which nothing but the answer is wanted, or the answer is there at once."""


class FirstSign:
    """Draws on stderr in a thread; whoever writes calls `hide` before, under `lock`."""

    def __init__(self, words: str, descriptor: int, turns: str) -> None:
        self._words, self._descriptor, self._turns = words, descriptor, turns
        self.lock = threading.RLock()
        self._is_shown, self._at_line_start = False, True
        self._began = time.monotonic()
        self._draws_from = self._began + FIRST_SECONDS
        self._stopped = threading.Event()
        threading.Thread(target=self._turn, daemon=True, name="first-sign").start()

    def _turn(self) -> None:
        n = 0
        while not self._stopped.wait(TURN_SECONDS):
            with self.lock:
                now = time.monotonic()
                if self._at_line_start and now >= self._draws_from and not self._stopped.is_set():
                    self._draw(n, int(now - self._began))
                    n += 1

    def _draw(self, n: int, seconds: int) -> None:
        clock = f" {seconds} s" if seconds >= CLOCK_FROM_SECONDS else ""
        self._write(CLEAR + f"{self._turns[n % len(self._turns)]} {self._words}{clock}".encode())
        self._is_shown = True

    def _write(self, data: bytes) -> None:
        try:
            os.write(self._descriptor, data)
        except OSError:  # the terminal is gone
            self._stopped.set()

    def hide(self, ends_line: bool | None = None) -> None:
        """Take the sign away; it comes back after a while, unless what is written now does not end its line (False)."""
        with self.lock:
            if self._is_shown:
                self._write(CLEAR)
                self._is_shown = False
            self._draws_from = time.monotonic() + AGAIN_SECONDS
            if ends_line is not None:
                self._at_line_start = ends_line

    def stop(self) -> None:
        """Take it away for good."""
        with self.lock:
            self._stopped.set()
            self.hide()


_sign: FirstSign | None = None


def begin(words: Sequence[str]) -> None:
    """Begin to turn where stderr is a terminal that can rewrite its line, unless these words of the command ask for silence."""
    global _sign
    command = next((word for word in words if not word.startswith("-")), None)
    if command is None or any(word in SILENT for word in words) or any(name.endswith("_COMPLETE") for name in os.environ):
        return
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        return  # a pager, or a program, has the rest of the terminal
    if os.environ.get("TERM", "dumb") == "dumb":
        return
    turns = TURNS if (sys.stderr.encoding or "").lower().startswith("utf") else PLAIN_TURNS
    shown = "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in command)
    _sign = FirstSign(f"bertft {shown} …" if turns == TURNS else f"bertft {shown}", sys.stderr.fileno(), turns)


def hide(data: bytes | None = None) -> None:
    """What is written to the terminal next; None if that is not known. Nothing where there is no sign."""
    if _sign is not None:
        _sign.hide(None if not data else data.endswith(b"\n"))


def stop() -> None:
    """No sign from here on: the command shows its own progress, waits for what is typed, or ends."""
    global _sign
    if _sign is not None:
        _sign.stop()
        _sign = None
