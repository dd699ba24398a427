"""What can be asked for: the study's configuration. Imports no torch and loads fast."""

from bertft_core.config.errors import UserError
from bertft_core.config.load_study import load_study, parse_study
from bertft_core.config.study_config import ArmConfig, StudyConfig

__all__ = ["ArmConfig", "StudyConfig", "UserError", "load_study", "parse_study"]
