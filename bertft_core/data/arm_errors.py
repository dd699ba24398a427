"""Errors of what only one arm reads: its own encoder, head or data."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.study_sections import SECTIONS_OF_AN_ARM

KEY = re.compile(r"(?<![\w.])\w+\.\w+")


@contextmanager
def naming_arm(study: StudyConfig, name: str) -> Iterator[None]:
    """A `UserError` raised inside about an arm with settings of its own names the arm, and in its hint the arm's keys."""
    try:
        yield
    except UserError as error:
        arm = study.arms.get(name)
        own = {} if arm is None else {section: getattr(arm, section) for section in SECTIONS_OF_AN_ARM}
        keys = {f"{section}.{key}" for section, changes in own.items() if changes is not None for key in changes.overrides()}
        if not keys or error.problem.startswith("arms."):
            raise
        hint = error.hint and KEY.sub(lambda found: f"arms.{name}." * (found[0] in keys) + found[0], error.hint)
        raise UserError(**error.fields | {"problem": f"arms.{name}: {error.problem}", "hint": hint}) from error
