"""A stored study as programs see it: frames that agree with the summary, lazily, for studies of every version."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bertft_core as bertft
from bertft_core.storage.study_dir import StudyDir
from tests.helpers.evaluated_studies import make_results
from tests.helpers.product_modules import ROOT
from tests.helpers.stored_studies import NAMES, stored_json, unpack

OLDEST = ROOT / "tests" / "assets" / "study-0.1" / "studies" / "older"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Studies that version 0.2 has stored."""
    return unpack(tmp_path_factory.mktemp("stored"))


def loaded_by(code: str) -> set[str]:
    """Top-level modules of a fresh process after some code."""
    shown = f"{code}\nimport sys, json\nprint(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", shown], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_loads_nothing_and_opening_a_study_loads_neither_torch_nor_frames(home):
    heavy = {"torch", "transformers", "matplotlib", "pandas", "numpy", "pyarrow", "scipy", "pydantic", "mlflow", "prefect"}
    assert loaded_by("import bertft_core as bertft; bertft.__version__").isdisjoint(heavy)
    opened = loaded_by(f"import bertft_core as bertft; bertft.load_study('rich', home={str(home)!r}).summary")
    assert "pydantic" in opened
    assert opened.isdisjoint({"torch", "transformers", "matplotlib", "pandas", "mlflow", "prefect", "optuna"})


def test_every_public_name_is_there_and_no_other():
    assert set(bertft.__all__) <= set(dir(bertft))
    assert all(getattr(bertft, name) is not None for name in bertft.__all__)
    with pytest.raises(AttributeError, match="no attribute 'load_studie'"):
        bertft.load_studie  # noqa: B018


@pytest.mark.parametrize("name", NAMES)
def test_a_study_of_version_0_2_gives_the_numbers_that_were_stored(home, name):
    study, stored = bertft.load_study(name, home=home), stored_json(StudyDir(home, name).summary_path)
    scores = {
        (arm["arm"], seed["index"], key): value
        for arm in stored["arms"]
        for seed in arm["seeds"]
        for key, value in seed["scores"].items()
    }
    found = study.scores
    keys = found["checkpoint"] + "/" + found["split"] + "/" + found["metric"]
    assert dict(zip(zip(found["arm"], found["seed"], keys, strict=True), found["value"], strict=True)) == pytest.approx(scores)
    assert len(study.runs) == sum(len(arm["seeds"]) for arm in stored["arms"])
    pairs = [] if stored["comparison"] is None else stored["comparison"]["pairs"]
    assert study.comparison["difference"].tolist() == pytest.approx([pair["difference"] for pair in pairs])
    assert study.comparison["claimed"].tolist() == [pair["claimed"] for pair in pairs]
    assert study.comparison["p_holm"].isna().tolist() == [pair["p_holm"] is None for pair in pairs]


def test_a_study_of_version_0_1_opens_by_its_folder():
    study = bertft.load_study(OLDEST)
    assert (study.name, len(study.runs), study.path) == ("older", 6, OLDEST)
    assert set(study.predictions["split"]) == {"validation", "test"}
    assert len(study.trials) > 0


def test_predictions_are_long_and_give_the_scores_again(home):
    study = bertft.load_study("claims", home=home)
    table = study.predictions
    assert list(table.columns[:7]) == ["arm", "seed", "split", "example", "label", "prediction", "probability"]
    right = (table["label"] == table["prediction"]).groupby([table["arm"], table["seed"], table["split"]]).mean()
    accuracy = study.scores.query("checkpoint == 'best' and metric == 'accuracy'").set_index(["arm", "seed", "split"])["value"]
    pd.testing.assert_series_equal(right.sort_index(), accuracy.sort_index(), check_names=False, check_index_type=False)
    shares = table.filter(like="probability/")
    assert np.allclose(shares.sum(axis=1), 1)
    assert np.array_equal(shares.max(axis=1), table["probability"])
    assert len(study.predictions_at("final")) == len(table)


def test_curves_hold_every_evaluation_and_every_step(home):
    study = bertft.load_study("claims", home=home)
    curves = study.curves
    record = study.results.report_runs[0]
    of_run = curves[(curves["arm"] == record.spec.arm) & (curves["seed"] == record.spec.index)]
    of_validation = of_run[(of_run["part"] == "validation") & (of_run["metric"] == "accuracy")]
    assert of_validation["value"].tolist() == [one.metrics["accuracy"] for one in record.evaluations]
    losses = of_run[(of_run["part"] == "train") & (of_run["metric"] == "loss")]
    assert losses["step"].tolist() == list(range(1, record.n_steps + 1))


def test_sources_of_variance_are_those_of_the_design(home):
    crossed = bertft.load_study("crossed", home=home).variance
    sources = ["init", "order", "interaction", "residual"]
    assert crossed.groupby("arm")["source"].apply(list).to_dict() == {"features": sources, "full": sources}
    plain = bertft.load_study("claims", home=home)
    sds = plain.scores.query("checkpoint == 'best' and split == 'test' and metric == 'accuracy'").groupby("arm")["value"].std()
    assert plain.variance.set_index("arm")["sd"].to_dict() == pytest.approx(sds.to_dict())


def test_a_study_without_a_summary_is_evaluated_and_a_stale_one_again(tmp_path):
    make_results(tmp_path, {"a": [0.6, 0.7, 0.65], "b": [0.8, 0.9, 0.85]})
    fresh = bertft.load_study("small", home=tmp_path)
    assert len(fresh.comparison) > 0, "the stored summary has no comparison: it was made"
    StudyDir(tmp_path, "small").summary_path.unlink()
    again = bertft.load_study("small", home=tmp_path)
    pd.testing.assert_frame_equal(again.comparison, fresh.comparison)
    record = next(iter(again.results.records.values()))
    (StudyDir(tmp_path, "small").run_dir(record.digest) / "record.json").unlink()
    assert bertft.load_study("small", home=tmp_path).runs["status"].tolist().count("missing") == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("clams", "study.not-found"),
        ("a/b", "study.not-a-folder"),
        ("a b", "study.not-a-name"),
        ("no.yaml", "config.no-such-file"),
    ],
)
def test_what_is_no_study_is_one_clear_error(home, given, code):
    with pytest.raises(bertft.UserError) as caught:
        bertft.load_study(given, home=home)
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)


def test_a_damaged_run_is_refused_and_the_home_comes_from_the_environment(tmp_path, monkeypatch):
    make_results(tmp_path, {"a": [0.6, 0.7, 0.65]})
    monkeypatch.setenv("BERTFT_HOME", str(tmp_path))
    study = bertft.load_study("small")
    assert study.home == tmp_path
    path = next(study.path.glob("runs/*/record.json"))
    path.write_text(path.read_text()[:-20])
    with pytest.raises(bertft.UserError):
        bertft.load_study("small").scores  # noqa: B018
