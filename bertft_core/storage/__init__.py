"""Where records are stored: atomic writes, checksums, damage, retention, upgrade; a finished study. Imports no torch."""

from bertft_core.storage.study_dir import StudyDir

__all__ = ["StudyDir"]
