"""Standard output and error of a command: any character can be written, and a closed pipe and a full disk are kept apart.

A character that the terminal lacks becomes `?`, in JSON its escape. Nothing that is written to stderr can end a command: a study
is worth more than the line that says where it is.
"""

import codecs
import io
import os
import sys
from typing import Any

from flows.cli import first_sign

JSON_ESCAPE = "bertft.json-escape"


class OutputLost(Exception):
    """Standard output cannot be written to; `error` says why."""

    def __init__(self, error: OSError) -> None:
        self.error = error
        super().__init__(str(error))


class _Stream(io.FileIO):
    """A file descriptor of this process that others may hold too, so it is never closed here."""

    def __init__(self, descriptor: int, *, may_be_lost: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._may_be_lost = may_be_lost
        self._is_terminal = self.isatty()

    def write(self, data: Any, /) -> int:
        if self._is_terminal:
            first_sign.hide(bytes(data))
        try:
            return super().write(data) or 0
        except OSError as error:
            if self._may_be_lost:
                return len(data)
            raise OutputLost(error) from None


def use_safe_output(*, as_json: bool) -> None:
    """Put such streams in place of those that Python opened; streams that a caller has put there are left alone."""
    codecs.register_error(JSON_ESCAPE, _json_escape)
    _open_closed_descriptors()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):
            raw = _Stream(stream.fileno(), may_be_lost=name == "stderr")
            stream.flush()
            errors, at_once = JSON_ESCAPE if as_json else "replace", name == "stderr" or stream.isatty()
            text = io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, errors, line_buffering=at_once)
            setattr(sys, name, text)


def _json_escape(error: UnicodeError) -> tuple[str, int]:
    """What JSON writes for characters that an encoding lacks: UTF-16 units as `\\uXXXX`."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)), error.end


def _open_closed_descriptors() -> None:
    """Standard streams that the caller has closed lead nowhere; else the next file that is opened would be one of them."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            if getattr(sys, name) is None:
                setattr(sys, name, open(descriptor, "r" if descriptor == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def flush_output() -> None:
    """Write what is left, while a failure can still be reported. Raises `OutputLost`."""
    sys.stdout.flush()


def give_up_output() -> None:
    """Forget what could not be written, or Python would try again when it exits, and complain."""
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
