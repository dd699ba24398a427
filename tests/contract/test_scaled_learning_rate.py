"""A run with a learning rate that the batch size scales is the run of the rate that follows."""

from __future__ import annotations

from bertft_core.planning.run_specs import plan_runs
from bertft_core.training.run import train_run
from flows.cli.plan_arms import arm_lines
from tests.helpers.tiny_studies import tiny_study


def test_a_scaled_run_is_the_run_of_its_peak(tmp_path):
    arms = {"scaled": {"learning_rate_scaling": "linear"}, "plain": {"learning_rate": 0.01 * (5 / 16)}, "other": {}}
    study, card = tiny_study(tmp_path, arms=arms, seeds={"n": 1}, training={"epochs": 1})
    specs = plan_runs(study, card, {})
    scaled, plain, other = (train_run(spec, run_dir=tmp_path / spec.arm).weights_sha256 for spec in specs)
    assert scaled == plain != other
    assert len({spec.digest for spec in specs}) == 3
    lines = arm_lines(study, card, [])
    assert "5 steps of 5 at a peak learning rate of 0.00313, up to" in lines[0]
    assert "peak" not in lines[1]
