"""Runs on this machine: warm worker processes, one per GPU or group of cores."""

from bertft_core.config import StudyConfig
from bertft_core.storage.study_dir import StudyDir
from bertft_core.training.devices import slot_environments
from bertft_core.training.machine_needs import refuse_unfit
from bertft_core.training.slots import Slots


def open_pool(study: StudyConfig, study_dir: StudyDir, *, force: bool) -> Slots:
    """The warm workers of a study. Raises `UserError` when this machine cannot do what it needs."""
    refuse_unfit(study)
    return Slots(slot_environments(study.execution), study_dir.path / "logs")
