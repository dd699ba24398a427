"""A small study as YAML text, and the error a change of it gives: what tests of the configuration start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertft_core.config import StudyConfig, UserError, load_study

STUDY = """\
name: small
data: {source: bundled, name: reviews}
training:
  batch_size: 16
arms:
  features:
    strategies:
      - {kind: feature_extraction}
  full:
    search:
      space:
        learning_rate: {low: 1e-5, high: 1e-3, log: true}
      n_trials: 2
"""


def load(folder: Path, text: str, *overrides: str) -> StudyConfig:
    """Read a text as the file `study.yaml`."""
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study(path, overrides)


def changed(old: str, new: str) -> str:
    """The small study with one piece of text replaced."""
    assert STUDY.count(old) == 1, f"'{old}' stands {STUDY.count(old)} times in the study"
    return STUDY.replace(old, new)


def refusal(folder: Path, text: str, *overrides: str) -> UserError:
    """The error of a text that is no study."""
    with pytest.raises(UserError) as caught:
        load(folder, text, *overrides)
    return caught.value
