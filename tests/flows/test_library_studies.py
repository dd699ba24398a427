"""A study run from a program on data in memory, from frame to answer."""

from __future__ import annotations

import pandas as pd
import pytest

import bertft_core as bertft
from tests.helpers.tiny_encoders import tiny_encoder


@pytest.mark.slow
def test_a_frame_becomes_a_study_that_goes_on_and_answers(tmp_path, monkeypatch):
    for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "BERTFT_HOME"):
        monkeypatch.delenv(name, raising=False)
    texts = pd.DataFrame({"text": [f"{word} {i}" for i in range(30) for word in ("good", "bad")], "label": ["up", "down"] * 30})
    config = {
        "name": "mine",
        "data": {"max_length": 16, "split": {"test_ratio": 0.3}},
        "encoder": {"path": str(tiny_encoder(tmp_path / "encoder"))},
        "arms": {"features": {"strategies": [{"kind": "feature_extraction"}]}, "full": {}},
        "training": {"max_steps": 4, "batch_size": 8},
        "seeds": {"n": 3},
        "execution": {"device": "cpu"},
    }
    study = bertft.run(config, data={"train": texts}, home=tmp_path / "home")
    assert study.runs["status"].isin(["ok", "collapsed"]).tolist() == [True] * 6
    assert len(study.comparison) > 0
    assert set(study.predictions["label"]) == {"up", "down"}
    assert bertft.predict(study, ["good 3", "bad 4"])["prediction"].isin(["up", "down"]).all()
    more = bertft.run(config, data={"train": texts}, overrides=["seeds.n=4"], home=tmp_path / "home", quiet=True)
    before = study.runs.set_index(["arm", "seed"])["weights_sha256"].to_dict()
    after = more.runs.set_index(["arm", "seed"])["weights_sha256"].to_dict()
    assert len(after) == 8
    assert {run: after[run] for run in before} == before
