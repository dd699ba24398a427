"""`curves.jsonl`: one line per step and validation of a run, without gaps after a resume."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bertft_core.storage.damage import SUFFIX
from bertft_core.storage.study_dir import write_atomically

OnEvent = Callable[[dict[str, Any]], None]
"""Listens to the events of a run."""


def ignore(event: dict[str, Any]) -> None:
    """The listener that does nothing."""


class CurveFile:
    """Collects events and appends them; flushed before each checkpoint, so that a resume finds what it continues."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending: list[str] = []

    def start(self, after_step: int) -> None:
        """Keep the lines up to `after_step` (0: none), where the run continues."""
        write_atomically(self._path, "".join(self._until(after_step)) if after_step else "")

    def state(self) -> tuple[int, str]:
        """Size in bytes and SHA-256 of the file."""
        content = self._content()
        return len(content), hashlib.sha256(content).hexdigest()

    def begins_with(self, size: int, sha256: str) -> bool:
        """Whether the first `size` bytes still match; if not, a copy of the file is set aside."""
        if hashlib.sha256(self._content()[:size]).hexdigest() == sha256:
            return True
        if self._path.exists():
            shutil.copyfile(self._path, self._path.with_name(self._path.name + SUFFIX))
        return False

    def add(self, event: dict[str, Any]) -> None:
        """Collect a step or an evaluation."""
        if event["kind"] in ("step", "evaluation"):
            self._pending.append(json.dumps(event) + "\n")

    def flush(self) -> None:
        """Append what is pending."""
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(self._pending)
        self._pending.clear()

    def _content(self) -> bytes:
        try:
            return self._path.read_bytes() if self._path.is_file() else b""
        except FileNotFoundError:
            return b""

    def _until(self, step: int) -> list[str]:
        """The lines up to a step. Lines are in order of steps, so damage to later ones does not matter."""
        kept: list[str] = []
        for line in self._content().splitlines(keepends=True):
            try:
                whole = line.endswith(b"\n") and json.loads(line)["step"] <= step
            except (ValueError, KeyError, TypeError, RecursionError):
                whole = False
            if not whole:
                break
            kept.append(line.decode())
        return kept
