"""The benchmark of the statistics: its rows and its page, and the whole of it at tiny sizes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import statistics
from benchmarks.statistics_peers import TASKS
from benchmarks.statistics_work import METRICS, PEER_RESAMPLES, Sizes, as_peers, make_answers

FIGURES: dict[str, Any] = {
    "parts": {"bootstrap": {"wall_seconds": 2.5, "cpu_seconds": 2.0}, "tests": {"wall_seconds": 0.25, "cpu_seconds": 0.125}},
    "memory_bytes": 300 * 2**20,
    "data_memory_bytes": 200 * 2**20,
    "as_peers": {"aso": 0.01, "bootstrap test": 0.002, "P(A > B)": 0.004},
    "peers": {
        "tasks": {"aso": {"seconds": 5.0}, "bootstrap test": {"seconds": 0.5}, "P(A > B)": {"error": "ImportError: no arch"}},
        "versions": {"deepsig": "1.2.8"},
    },
}


def test_the_page_has_every_part_its_sum_and_the_ratio_to_each_peer_or_why_there_is_none() -> None:
    assert statistics.part_rows(FIGURES)[-1] == ("all of it", "2.75 s", "2.12 s")
    page = statistics.markdown_page(Sizes(5, 30, 10_000, 10_000), FIGURES, {"machine": "a quiet one"})
    for words in (
        "All 10 pairs of 5 arms of 30 seeds on 10,000",
        "| almost stochastic order | 1,000 | 10.0 ms | deep-significance | 5,000 ms | 1/500 |",
        "| P(A > B) | 2,000 | 4.0 ms | rliable | not run: ImportError: no arch | – |",
        "300 MiB at its peak",
        "- **machine**: a quiet one",
        "- **peers**: deepsig 1.2.8",
    ):
        assert words in page


def test_the_goal_is_a_minute_and_two_gigabytes() -> None:
    assert statistics.reaches_goal(FIGURES)
    assert not statistics.reaches_goal(FIGURES | {"memory_bytes": 2 * 2**30})
    assert not statistics.reaches_goal(FIGURES | {"parts": {"all": {"wall_seconds": 1.0, "cpu_seconds": 60.0}}})


def test_made_up_answers_agree_with_each_other_and_differ_between_arms() -> None:
    true, arms = make_answers(Sizes(2, 4, 3000, 10), np.random.default_rng(0))
    for made in arms:
        np.testing.assert_array_equal(made.right, made.predicted == true)
        assert 0.5 <= made.confidence.min() < made.confidence.max() <= 1.0
    f1 = METRICS["F1"](true, arms[0]).scores()[0]
    hits = (true * arms[0].predicted).sum(axis=1)
    np.testing.assert_allclose(f1, 2 * hits / (true.sum() + arms[0].predicted.sum(axis=1)))
    assert arms[1].right.mean() > arms[0].right.mean() > 0.7


def test_both_sides_are_asked_the_same_tasks_and_a_python_without_peers_says_so() -> None:
    assert set(TASKS) == set(PEER_RESAMPLES) == set(as_peers(np.arange(5.0), np.arange(5.0))) == set(statistics.WORDS)
    asked = json.dumps({"first": [1, 2], "second": [1, 3], "resamples": PEER_RESAMPLES})
    words = [sys.executable, "-P", str(Path(statistics.__file__).with_name("statistics_peers.py"))]
    found = json.loads(subprocess.run(words, input=asked, capture_output=True, text=True, check=True).stdout)
    assert found["tasks"]["aso"] == {"error": "ModuleNotFoundError: No module named 'deepsig'"}
    assert "numpy" in found["versions"]


def test_another_python_that_is_not_there_ends_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert statistics.main(["--quick", "--peer-python", "/no/such/python"]) == 2
    assert "/no/such/python" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_benchmark_runs_at_tiny_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = [tmp_path / "figures.json", tmp_path / "page.md"]
    assert statistics.main(["--quick", "--json", str(written[0]), "--markdown", str(written[1])]) == 0
    figures = json.loads(written[0].read_text())
    assert [f"multi-bootstrap, {metric}" in figures["parts"] for metric in METRICS] == [True] * len(METRICS)
    assert figures["memory_bytes"] >= figures["data_memory_bytes"] > 2**24
    assert "not run: no --peer-python was given" in written[1].read_text()
    assert "all of it" in capsys.readouterr().out
