"""The ready studies of the bundled sets, as shipped: real weights, three seeds, better than the constant predictor."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bertft_core.config import load_study
from bertft_core.records import StudySummary
from bertft_core.storage.study_dir import StudyDir, read_record
from tests.helpers.markdown import ROOT
from tests.helpers.study_commands import clean_environment

STUDIES = ("topics", "pairs", "ratings", "entities", "questions", "manuals_mlm")


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_bundled_study_beats_the_constant_predictor(name, tmp_path):
    config = ROOT / "configs" / f"{name}.yaml"
    command = [sys.executable, "-m", "flows.cli.app", "run", str(config), "--home", str(tmp_path)]
    subprocess.run(command, env=clean_environment(), check=True, timeout=3600, cwd=tmp_path)
    study = load_study(config, [])
    summary = read_record(StudyDir(tmp_path, study.name).summary_path, StudySummary)
    assert summary is not None
    assert len(summary.gains_over_majority) == len(study.arms)
    better = 1.0 if study.direction == "maximize" else -1.0
    for gain in summary.gains_over_majority:
        assert gain.n == 3
        assert better * gain.mean > 0, gain
