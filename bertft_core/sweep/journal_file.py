"""The journal of a search as a file: what a kill leaves of it, and how damage is found, without Optuna.

Optuna reads a journal line by line and stops with an error at one that is no JSON; a changed number in a line it believes. So a
seal lies beside it: the size and SHA-256 of what was written. What comes after that size, a kill has kept from being sealed.
"""

import hashlib
import json
from pathlib import Path

from bertft_core.config.base import Frozen
from bertft_core.storage.study_dir import read_record, write_record

FROM_RECORDS = "the search is rebuilt from the records of its runs, none of which is trained twice"

BEGAN, ENTERED, CHANGED = 0, 4, 6
"""Optuna's numbers of entries: a study, a trial, and a trial's state."""
KNOWN = range(10)
DELETED, RUNNING, ENDED = 1, 0, (1, 2, 3)
"""The entry that deletes a study; states of a trial."""


class Seal(Frozen):
    """What was written of a journal."""

    version: int = 1
    size: int
    sha256: str


def seal_path(path: Path) -> Path:
    """Path of a journal's seal."""
    return path.with_name("journal.seal.json")


def seal(path: Path) -> None:
    """Note what the journal is now."""
    content = path.read_bytes()
    write_record(seal_path(path), Seal(size=len(content), sha256=hashlib.sha256(content).hexdigest()))


def problem_of(path: Path) -> str | None:
    """What is wrong with a journal; None when all is well or there is none. A last line cut short is no damage."""
    if not path.exists():
        return None
    if not path.is_file():
        return "it is a folder, a pipe or a device"
    content = path.read_bytes()
    sealed = read_record(seal_path(path), Seal)
    if sealed is not None and hashlib.sha256(content[: sealed.size]).hexdigest() != sealed.sha256:
        return "its content does not fit its seal"
    *lines, _ = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not _is_entry(line):
            return f"line {number} is no entry of a journal"
    return None


def _is_entry(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line)["op_code"], int)
    except (ValueError, RecursionError, TypeError, LookupError):
        return False


def may_have_running(path: Path) -> bool:
    """False where no trial of a journal is running; where True, or this file is not as we write it, Optuna must be asked.

    To import Optuna takes half of what a command needs that only looks.
    """
    states: list[int] = []
    try:
        first, *others = map(json.loads, path.read_bytes().splitlines())
        if first["op_code"] != BEGAN:
            return True
        for entry in others:
            kind = entry["op_code"]
            if kind not in KNOWN or kind == DELETED or entry.get("study_id", 0) != 0:
                return True
            if kind == BEGAN and entry["study_name"] != first["study_name"]:  # each opening enters the name again
                return True
            if kind == ENTERED:
                states.append(entry.get("state", RUNNING))
            elif kind == CHANGED and states[entry["trial_id"]] not in ENDED:
                states[entry["trial_id"]] = entry["state"]
    except (OSError, ValueError, RecursionError, TypeError, LookupError, AttributeError):
        return True
    return RUNNING in states


def repair_file(path: Path) -> None:
    """Drop what a killed process left: its lock, for which Optuna would wait 30 s, and a last line cut short."""
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    if not path.is_file():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    sealed = read_record(seal_path(path), Seal)
    if whole < len(data) and (sealed is None or whole >= sealed.size):
        with path.open("r+b") as file:
            file.truncate(whole)
