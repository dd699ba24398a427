"""The debug study of every strategy: it has an arm for each kind, and a whole `bertft run` of it passes.

Only the encoder is another one, a tiny random one of as many layers, and one seed is enough.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from bertft_core.config import load_study
from bertft_core.config.strategy_settings import KINDS
from bertft_core.records import StudySummary
from bertft_core.storage.study_dir import StudyDir, read_record
from tests.helpers.markdown import ROOT
from tests.helpers.tiny_encoders import tiny_encoder

CONFIG = ROOT / "configs" / "debug" / "all_strategies.yaml"


def test_every_kind_has_an_arm_of_its_own_and_some_stand_together():
    lists = [[strategy.kind for strategy in arm.strategies] for arm in load_study(CONFIG).arms.values()]
    assert len(KINDS) >= 16
    assert {kinds[0] for kinds in lists if len(kinds) == 1} == set(KINDS) - {"replay"}, "its encoder has no masked-LM head"
    together = [set(kinds) for kinds in lists if len(kinds) > 1]
    assert len(together) >= 4
    assert any({"llrd", "mixout", "reinit"} <= kinds for kinds in together)


def test_the_imbalance_arms_have_something_to_balance(tmp_path):
    from bertft_core.data.sources import read_splits

    counts = read_splits(load_study(CONFIG).data)["train"].label_counts
    assert max(counts.values()) >= 2 * min(counts.values())


@pytest.mark.slow
def test_the_whole_study_passes(tmp_path, server_environment):
    encoder = tiny_encoder(tmp_path / "encoder", num_hidden_layers=6)
    command = [
        sys.executable,
        "-m",
        "flows.cli.app",
        "run",
        str(CONFIG),
        "--home",
        str(tmp_path),
        "--set",
        f"encoder.path={encoder}",
        "--set",
        "seeds.n=1",
        "--set",
        "tracking.log_models=false",
    ]
    done = subprocess.run(command, env=server_environment, check=False, timeout=600, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    study = load_study(CONFIG)
    summary = read_record(StudyDir(tmp_path, study.name).summary_path, StudySummary)
    assert summary is not None
    assert [arm.arm for arm in summary.arms] == list(study.arms)
    for arm in summary.arms:
        assert arm.counts.keys() <= {"ok", "collapsed"}, arm.arm
        assert arm.seeds[0].scores, arm.arm
