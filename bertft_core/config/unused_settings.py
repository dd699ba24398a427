"""Settings that would do nothing, or cannot work: refused where a study is asked for, and read where an older one is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationInfo

from bertft_core.config.base import misplaced
from bertft_core.config.data_settings import BundledData
from bertft_core.config.strategy_settings import ClassWeights
from bertft_core.config.study_sections import StudySections
from bertft_core.config.yaml_text import Path

ASKED: dict[str, Any] = {"asked": True}
"""Validation context of a study that comes from a config, unlike one that is read from its stored record."""
MAX_BYTES = 200
"""Of a name that files are named after: with what is put before and behind it, a file's name has 255 bytes."""
COLUMNS = ("text", "label", "tokens", "tags", "question", "context", "answers")


def is_asked(info: ValidationInfo) -> bool:
    """The study comes from a config, not from what an earlier version has stored."""
    return info.context == ASKED


def check_asked(study: StudySections) -> None:
    """Raise a pydantic error that names the place to change, for the first setting that is there in vain."""
    _check_columns(study)
    _check_names(study)
    data = study.data
    if not isinstance(data, BundledData) and data.test is not None and data.split.test_ratio is not None:
        raise misplaced(("data", "split", "test_ratio"), "there is a test set, so none is cut", "take it out, or data.test")
    for arm, settings in study.arms.items():
        for i, strategy in enumerate(settings.strategies):
            if isinstance(strategy, ClassWeights) and _has_idle_beta(strategy):
                at = ("arms", arm, "strategies", i, "beta")
                raise misplaced(at, "only weights: effective_number reads it", "take it out, or set weights to that")


def _has_idle_beta(strategy: ClassWeights) -> bool:
    return strategy.weights != "effective_number" and strategy.beta != ClassWeights.model_fields["beta"].default


def _check_columns(study: StudySections) -> None:
    """What is learned and what is read are columns of their own."""
    seen: dict[str, str] = {}
    for key, column in _columns(study):
        if column in seen:
            other = f"is data.{seen[column]} too" if seen[column] != key else "stands there twice"
            raise misplaced(("data", key), f"the column '{column}' {other}; each is a column of its own")
        seen[column] = key


def _columns(study: StudySections) -> Iterator[tuple[str, str]]:
    for key in COLUMNS:
        if key in study.head.reads:
            value = getattr(study.data, key)
            yield from ((key, column) for column in ([value] if isinstance(value, str) else value))


def _check_names(study: StudySections) -> None:
    named: list[tuple[Path, str]] = [(("arms", arm), arm) for arm in study.arms]
    named += [(("data", "out_of_domain", name), name) for name in getattr(study.data, "out_of_domain", {})]
    for at, name in named:
        if (n := len(name.encode())) > MAX_BYTES:
            raise misplaced(at, f"a name of {n} bytes is too long for the files that are named after it", "use a shorter one")
