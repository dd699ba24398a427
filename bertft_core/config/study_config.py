"""A study: data × task × arms × seeds, all of it in one YAML file."""

from __future__ import annotations

from pydantic import ValidationInfo, model_validator

from bertft_core.config.addresses import without_password
from bertft_core.config.base import digest_of
from bertft_core.config.crosschecks import check_study
from bertft_core.config.study_sections import ArmConfig, HeadlineConfig, StudySections
from bertft_core.config.unused_settings import check_unused, is_from_config

__all__ = ["ArmConfig", "HeadlineConfig", "StudyConfig"]

NOT_COMPUTED = frozenset(
    {"name", "description", "execution", "retention", "tracking", "headline", "ensemble", "probes", "max_arms"}
)
"""Settings that change no run: names, places, and what is evaluated afterwards."""


class StudyConfig(StudySections):
    """The whole question. The first arm is the baseline."""

    @model_validator(mode="after")
    def _sections_fit_together(self, info: ValidationInfo) -> StudyConfig:
        check_study(self)
        if is_from_config(info):
            check_unused(self)
        return self

    @property
    def shareable(self) -> StudyConfig:
        """The study as it is written down: the address of its store is without a password."""
        uri = self.tracking.uri
        if uri is None or (shown := without_password(uri)) == uri:
            return self
        return self.model_copy(update={"tracking": self.tracking.model_copy(update={"uri": shown})})

    @property
    def digest(self) -> str:
        """SHA-256 of what the study computes; where and how it is executed is left out."""
        asked = self.model_dump(mode="json", exclude=set(NOT_COMPUTED))
        return digest_of(asked | {"threads_per_run": self.execution.threads_per_run})
