"""Where records lie: atomic writes, checksums, damage, retention, upgrade. Imports no torch."""

from bertft_core.storage.study_dir import StudyDir

__all__ = ["StudyDir"]
