"""What several tests of this folder train once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertft_core.config import StudyConfig
from bertft_core.records import DatasetCard, RunRecord
from tests.helpers.pretrained_studies import ARMS, run_study
from tests.helpers.tiny_studies import tiny_study


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory) -> tuple[Path, StudyConfig, DatasetCard, dict[str, RunRecord]]:
    """A masked-LM study of three arms and two seeds in a home; the folder that holds the home."""
    directory = tmp_path_factory.mktemp("chain")
    training = {"epochs": 2, "dropout": 0.0}
    study, card = tiny_study(directory, name="mlm", head="masked_lm", arms=ARMS, training=training, seeds={"n": 2})
    return directory, study, card, run_study(study, card, directory / "home")
