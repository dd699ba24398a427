"""The benchmarks of a training step and of what bf16 costs: their studies, their tables, and (slow) a step of every task."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import precision_scores, step_time
from benchmarks.precision_scores import STUDIES, Cost, study_of
from bertft_core.config import parse_study
from bertft_core.data.bundled import BUNDLED_DIR
from bertft_core.records.comparison_record import PairComparison, ResampledDifference

PAIR = PairComparison(
    checkpoint="best",
    split="test",
    metric="accuracy",
    direction="maximize",
    arm="bf16",
    baseline="fp32",
    paired=True,
    n_seeds_arm=10,
    n_seeds_baseline=10,
    mean_arm=0.81,
    mean_baseline=0.8125,
    difference=-0.0025,
    both=ResampledDifference(low=-0.01, high=0.005, p=0.5),
)


def test_every_bundled_data_set_is_studied_in_two_precisions_and_nothing_else_differs():
    studies = [parse_study(study_of(name, 10)) for name in STUDIES]
    assert {study.data.name for study in studies} == {path.name for path in BUNDLED_DIR.iterdir() if path.is_dir()}
    for study in studies:
        assert (list(study.arms), study.n_runs_per_arm) == (["fp32", "bf16"], 10)
        fp32, bf16 = (study.training_of(arm).model_dump() for arm in study.arms)
        assert fp32 | {"precision": "bf16"} == bf16


def test_the_table_shows_difference_interval_and_time():
    costs = [
        Cost("topics", PAIR, {"fp32": 2.0, "bf16": 1.5}),
        Cost("pairs", PAIR.model_copy(update={"both": None}), {"fp32": 1, "bf16": 1}),
    ]
    rows = precision_scores.table(costs)[1:]
    assert rows[0] == ("topics", "accuracy", "10", "0.8125", "0.8100", "-0.0025", "-0.0100 … +0.0050", "0.50", "0.75")
    assert rows[1][6:8] == ("–", "–")
    page = precision_scores.page(costs, {"machine": "a quiet one"})
    assert "| topics | accuracy |" in page
    assert max(map(len, page.splitlines()[:11])) <= 100


def test_steps_are_shown_against_transformers_slowest_first():
    work = step_time.Work(examples=16, gflop=10.0, peaks={"fp32": 100.0, "bf16": 200.0})
    seconds = {step_time.PEER: 0.5, "bertft, fast": 0.2, "bertft, fast, bf16": 0.1, "transformers, padded to 128": 1.5}
    rows = step_time.table(seconds, work)
    assert [row[0] for row in rows[1:]] == ["transformers, padded to 128", step_time.PEER, "bertft, fast", "bertft, fast, bf16"]
    assert rows[3][1:] == ("200", "80.0", "2.50", "50%", "5.00")
    assert rows[4][1:] == ("100", "160.0", "5.00", "50%", "10.00")
    page = step_time.page({"classification": rows}, {"machine": "a quiet one"})
    assert "## classification" in page
    assert max(map(len, page.splitlines()[:11])) <= 100


@pytest.mark.slow
def test_a_step_of_every_task_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert step_time.main(["--tasks", *step_time.TASKS, "--blocks", "1", "--markdown", str(tmp_path / "page.md")]) == 0
    shown = capsys.readouterr().out
    for task in step_time.TASKS:
        assert task in shown
    assert shown.count("bertft, fast, bf16") == len(step_time.TASKS)
    assert "| bertft, fast |" in (tmp_path / "page.md").read_text()
