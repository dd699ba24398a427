"""The file that holds what was proved of a study."""

from __future__ import annotations

from pathlib import Path

from bertft_core.records.verification_record import VERIFICATION_FILE, Verification
from bertft_core.storage.study_dir import read_record, write_record


def read_verification(study_dir: Path) -> Verification:
    """What the folder of a study holds; an empty one where nothing was verified yet."""
    return read_record(study_dir / VERIFICATION_FILE, Verification) or Verification()


def write_verification(study_dir: Path, verification: Verification) -> Path:
    """Write it into the study's folder; its path."""
    write_record(study_dir / VERIFICATION_FILE, verification)
    return study_dir / VERIFICATION_FILE
