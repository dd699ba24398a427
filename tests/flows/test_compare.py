"""`bertft compare` on a study that a whole `bertft run` has made."""

from __future__ import annotations

import json
import shutil

from pandas.testing import assert_frame_equal

from bertft_core import load_study
from bertft_core.records.comparison_record import Comparison
from bertft_core.storage.study_dir import read_record
from tests.helpers.study_commands import run_several


def test_a_finished_study_says_in_summary_and_command_why_two_seeds_are_not_compared(finished, shared, tmp_path):
    study, home = finished.study, tmp_path / "home"
    shutil.copytree(study.home / "studies", home / "studies")
    shutil.copy(shared / "mlflow.db", home)
    words = ["compare", study.name, "--home", str(home)]
    shown, stated, wrong, nowhere = run_several(
        [
            words,
            [*words, "--json", "--output", str(tmp_path / "out"), "--resamples", "200"],
            [*words, "--metric", "accurancy"],
            ["compare", "nowhere", "--home", str(home)],
        ],
        study.environment,
    )
    assert shown.code == 0
    assert "full is not compared: 2 runs of it ended with a score" in shown.stdout
    assert (home / "comparisons" / study.name / "comparison.html").exists()
    found = Comparison.model_validate(json.loads(stated.stdout))
    assert read_record(tmp_path / "out" / "comparison.json", Comparison) == found
    assert ([arm.n_seeds for arm in found.arms], found.pairs, len(found.refused)) == ([2, 2], (), 2)
    of_study = study.summary.comparison
    assert (of_study.refused, of_study.arms) == (found.refused, found.arms)
    assert (wrong.code, nowhere.code) == (2, 2)
    assert "did you mean 'accuracy'" in wrong.stderr
    assert "there is no study 'nowhere', neither in the home nor in MLflow" in nowhere.stderr
    assert f"the home {home} has {study.name}" in nowhere.stderr


def test_a_finished_study_that_only_mlflow_has_is_fetched_with_its_searches_and_curves(finished, tmp_path):
    study, home = finished.study, tmp_path / "home"
    words = [
        "fetch",
        study.name,
        "--home",
        str(home),
        "--tracking-uri",
        f"sqlite:///{study.home / 'mlflow.db'}",
    ]
    fetched, again = run_several([words, words], study.environment)
    assert (fetched.code, again.code) == (0, 2), fetched.stderr
    assert "is in this home" in again.stderr
    here, there = load_study(study.name, home), load_study(study.name, study.home)
    for name in ("runs", "scores", "curves", "predictions", "trials", "variance"):
        assert_frame_equal(getattr(here, name), getattr(there, name))
