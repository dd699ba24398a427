"""The small versions of the papers' studies, as shipped: real weights, every run scored, every arm compared."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bertft_core.config import load_study
from bertft_core.records import StudySummary
from bertft_core.storage.study_dir import StudyDir, read_record
from tests.helpers.markdown import ROOT
from tests.helpers.study_commands import clean_environment

SMALL = sorted((ROOT / "configs" / "papers" / "small").glob("*.yaml"))


def test_there_are_four_of_them():
    assert len(SMALL) == 4


@pytest.mark.slow
@pytest.mark.parametrize("config", SMALL, ids=lambda path: path.stem)
def test_the_small_version_of_a_paper_runs(config, tmp_path):
    command = [sys.executable, "-m", "flows.cli.app", "run", str(config), "--home", str(tmp_path)]
    subprocess.run(command, env=clean_environment(), check=True, timeout=3600, cwd=tmp_path)
    study = load_study(config)
    summary = read_record(StudyDir(tmp_path, study.name).summary_path, StudySummary)
    assert summary is not None
    assert [arm.arm for arm in summary.arms] == list(study.arms)
    for arm in summary.arms:
        assert arm.counts.keys() <= {"ok", "collapsed"}, arm.arm
        assert sum(arm.counts.values()) == study.n_runs_per_arm
    baseline = next(iter(study.arms))
    comparison = summary.comparison
    assert (comparison is None) == (len(study.arms) == 1)
    if comparison is not None:
        compared = sum(pair.baseline == baseline for pair in comparison.headline_pairs)
        assert compared + len(comparison.refused) >= len(study.arms) - 1
    assert max(gain.mean for gain in summary.gains_over_majority) > 0, "some arm learns more than the most frequent label"
