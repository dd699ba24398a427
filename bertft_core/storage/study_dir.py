"""Where files are stored: the study's directory, which is the source of truth.

HOME/
  data/<fingerprint>/           card.json, checksums.json, <split>.arrow, features/
  encoders/<key>.json           what the check of an encoder has found
  studies/<name>/
    config.json                 the StudyConfig of the last command
    card.json  summary.json  verification.json  report.seal.json  report.files.json
    runs/<digest, 16 digits>/   spec.json, record.json, probes.json, curves.jsonl, log.txt, predictions/, model/, checkpoint/
    sweep/<arm>-<digest, 8>/    journal.log, journal.seal.json, result.json, report.html
    given/                      study.yaml and data of a program, <split>.parquet
    report/                     report.html, runs.csv, summary.json, study.yaml, paper.md, references.bib, tables/, figures/
  artifacts/                    what is between machines, where no other store is set
  mlflow.db  mlflow-artifacts/  prefect/

`<name>.damaged` is a file that was set aside, `.<name>.<pid>.part` one that a kill has left half-written.
"""

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from bertft_core.config.base import Frozen
from bertft_core.config.errors import UserError
from bertft_core.records.probe_record import ProbeRecord
from bertft_core.records.run_record import RunRecord
from bertft_core.records.verification_record import VERIFICATION_FILE, Verification
from bertft_core.storage.file_signatures import Signature, is_settled, signature_of
from bertft_core.storage.upgrade import upgraded, version_of

PROBES_FILE = "probes.json"

Record = TypeVar("Record", bound=Frozen)
SIGNED = re.compile(rb'\{\n "sha256": "([0-9a-f]{64})",')
"""How a record with a checksum begins; records of older versions have none."""


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write beside, flush to disk, rename: a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name if len(os.fsencode(path.name)) < 200 else hashlib.sha256(os.fsencode(path.name)).hexdigest()
    part = path.with_name(f".{name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            part.chmod(path.stat().st_mode & 0o777)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_record(path: Path, record: Frozen) -> None:
    """Write a record as JSON, atomically, with the SHA-256 of all the rest as its first key, and its version."""
    rest = record.model_dump_json(indent=1).removeprefix("{")
    if "version" not in type(record).model_fields:
        rest = f'\n "version": {version_of(type(record).__name__)},{rest}'
    digest = hashlib.sha256(rest.encode()).hexdigest()
    write_atomically(path, f'{{\n "sha256": "{digest}",{rest}\n')


def read_record(path: Path, kind: type[Record]) -> Record | None:
    """The record in a file, or None when there is none or it is damaged (then it must be made again).

    Raises `UserError` for one that a newer version of this package has written.
    """
    try:
        return checked_record(path, kind)
    except (FileNotFoundError, Damaged):
        return None


class Damaged(ValueError):
    """A file that is there but is not what was written: torn, changed, or of another kind."""


def checked_record(path: Path, kind: type[Record]) -> Record:
    """The record in a file, upgraded when it is of an older version.

    Raises `FileNotFoundError`, `Damaged` with what is wrong, or `UserError` for a record of a newer version.
    """
    values, version = checked_values(path, kind)
    try:
        record = kind.model_validate(upgraded(values, kind.__name__, version))
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else f"a {kind.__name__} was expected"
        raise Damaged(f"{path}: {reason}") from None
    if isinstance(record, RunRecord):  # its spec, upgraded, would have another digest than the folder it lies in
        record.spec.__dict__["digest"] = record.digest
    return record


def checked_values(path: Path, kind: type[Frozen]) -> tuple[dict[str, Any], int]:
    """What a record's file holds, and the version that it was written as; raises as `checked_record` does."""
    if (other := other_kind(path)) is not None:
        raise Damaged(f"{path}: {other}")
    try:
        content = path.read_bytes()
    except NotADirectoryError:  # below a file there is nothing
        raise FileNotFoundError(f"{path}: no such file") from None
    signed = SIGNED.match(content)
    if signed is not None:
        rest = content[signed.end() :].removesuffix(b"\n")
        if hashlib.sha256(rest).hexdigest().encode() != signed[1]:
            raise Damaged(f"{path}: its content does not fit the checksum in its first line")
        content = b"{" + rest
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{path}: not valid JSON: {error}") from None
    version = values.get("version", 1) if isinstance(values, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise Damaged(f"{path}: a {kind.__name__} was expected")
    if version > version_of(kind.__name__):
        raise UserError(
            "this was made by a newer bertft",
            code="record.newer-version",
            path=path,
            found=f"a record of version {version}",
            expected=f"version {version_of(kind.__name__)} or older",
            hint="upgrade bertft, or use another --home",
        )
    if "version" not in kind.model_fields:
        values.pop("version", None)
    return values, version


def other_kind(path: Path) -> str | None:
    """What is in a file's place and is no file, in words; None for a file, and where there is nothing."""
    if path.is_file() or not path.exists():
        return None
    return f"it is {'a folder' if path.is_dir() else 'a pipe or a device'}, not a file"


def problem_of_file(path: Path, sha256: str) -> str | None:
    """What is wrong with a file whose SHA-256 was recorded, in words; None where it is as it was written."""
    if not path.exists():
        return "it is missing"
    try:
        return None if file_sha256(path) == sha256 else "its content does not match its checksum"
    except OSError as error:
        return other_kind(path) or f"it cannot be read: {error.strerror}"


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file. Raises `OSError`, also for a pipe, which would be waited for."""
    if (other := other_kind(path)) is not None:
        raise OSError(errno.EINVAL, other, str(path))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class StudyDir:
    """The folder of one study in a home."""

    def __init__(self, home_dir: Path | str, study: str) -> None:
        self.home_dir = Path(home_dir)
        self.path = self.home_dir / "studies" / study
        self._runs_dir = self.path / "runs"
        self._parsed: dict[Path, tuple[Signature, RunRecord]] = {}

    @property
    def config_path(self) -> Path:
        return self.path / "config.json"

    @property
    def card_path(self) -> Path:
        return self.path / "card.json"

    @property
    def summary_path(self) -> Path:
        return self.path / "summary.json"

    @property
    def report_dir(self) -> Path:
        return self.path / "report"

    def run_dir(self, digest: str) -> Path:
        """Folder of one run."""
        return self._runs_dir / digest[:16]

    def file_of_run(self, digest: str, name: str) -> str:
        """The path of a file in the folder of one run."""
        return f"{self._runs_dir}/{digest[:16]}/{name}"

    def sweep_dir(self, arm: str, digest: str) -> Path:
        """Folder of one arm's search."""
        return self.path / "sweep" / f"{arm}-{digest[:8]}"

    def record(self, digest: str) -> RunRecord | None:
        """The record of a run, if it ended."""
        record = self._record_in(self.run_dir(digest) / "record.json")
        return record if record is not None and record.digest == digest else None

    def checked_run(self, path: Path) -> RunRecord:
        """The record of a run in this folder, read again only when its file has changed; raises as `checked_record` does."""
        signature, known = signature_of(path), self._parsed.get(path)
        if known is not None and known[0] == signature:
            return known[1]
        self._parsed.pop(path, None)
        record = checked_record(path, RunRecord)
        if is_settled(signature):
            self._parsed[path] = signature, record
        return record

    def _record_in(self, path: Path) -> RunRecord | None:
        try:
            return self.checked_run(path)
        except (FileNotFoundError, Damaged):
            return None

    def probe_record(self, digest: str) -> ProbeRecord | None:
        """What the probes found in the model of a run, if they were requested and could run."""
        record = read_record(self.run_dir(digest) / PROBES_FILE, ProbeRecord)
        return record if record is not None and record.run_digest == digest else None

    def records(self) -> Iterator[RunRecord]:
        """Every record of the study, by digest."""
        for path in sorted(self.path.glob("runs/*/record.json")):
            record = self._record_in(path)
            if record is not None:
                yield record


def read_verification(study_path: Path) -> Verification:
    """What was verified of the study in this folder; an empty one where nothing was verified yet."""
    return read_record(study_path / VERIFICATION_FILE, Verification) or Verification()


def write_verification(study_path: Path, verification: Verification) -> Path:
    """Write it into the study's folder; its path."""
    write_record(study_path / VERIFICATION_FILE, verification)
    return study_path / VERIFICATION_FILE
