"""`curves.jsonl`: one line per step and validation of a run, gap-free also after a resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bertft_core.records.store import write_atomically


class CurveFile:
    """Collects events and appends them; written out before each checkpoint, so that a resume finds what it continues."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pending: list[str] = []

    def start(self, after_step: int) -> None:
        """Keep the lines up to `after_step` (0: none), for the run goes on from there."""
        kept = [line for line in self._lines() if json.loads(line)["step"] <= after_step] if after_step else []
        write_atomically(self._path, "".join(kept))

    def add(self, event: dict[str, Any]) -> None:
        """Remember a step or an evaluation."""
        if event["kind"] in ("step", "evaluation"):
            self._pending.append(json.dumps(event) + "\n")

    def flush(self) -> None:
        """Append what is pending."""
        with self._path.open("a", encoding="utf-8") as file:
            file.writelines(self._pending)
        self._pending.clear()

    def _lines(self) -> list[str]:
        """Whole lines only: a kill may have torn the last one."""
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        except FileNotFoundError:
            return []
        return [line for line in lines if line.endswith("\n")]
