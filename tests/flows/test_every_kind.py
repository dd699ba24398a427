"""Every kind of head goes the whole way: prepare, search, train over seeds, evaluate, report, MLflow, a model that opens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.transformers
import pytest
import transformers
from mlflow import MlflowClient

from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.storage.predictions import read_predictions
from tests.helpers.study_commands import SEARCH, TinyStudy

FEW = {"train": 20, "validation": 10, "test": 10}
MULTI_LABEL = {"text": "text", "label": "labels"}
STUDIES: dict[str, dict[str, Any]] = {
    "classification": {"data": {"name": "pairs", "text": ["premise", "hypothesis"]}},
    "multi_label": {},
    "regression": {"data": {"name": "ratings", "label": "rating"}},
    "token_classification": {
        "data": {"name": "entities"},
        "head": {"kind": "token_classification", "crf": True},
        "metric": "accuracy",
    },
    "question_answering": {"data": {"name": "questions", "doc_stride": 8}},
    "masked_lm": {"data": {"name": "manuals", "text_unit": "paragraph"}},
}
"""Kind → what its study asks for on a bundled set."""


def study_of(kind: str, new_study: Any) -> TinyStudy:
    asked = STUDIES[kind]
    data = {"source": "bundled", "max_length": 64, "subsample": FEW} | asked.get("data", {})
    if kind == "question_answering":
        data["subsample"] = FEW | {"train": 30}
    return new_study(
        name=kind.replace("_", "-"),
        data=data,
        head=asked.get("head", kind),
        arms={"full": {"search": SEARCH}},
        tracking={},
        **({"metric": asked["metric"]} if "metric" in asked else {}),
    )


def multi_label_study(new_study: Any, directory: Any) -> TinyStudy:
    """No bundled set has several labels: reviews whose labels are made of their length, read in windows with attention."""
    import json

    from bertft_core.data.bundled import bundled_files

    paths = {}
    for split, path in list(bundled_files("reviews").items())[:3]:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[: FEW[split]]]
        lines = [{"text": row["text"], "labels": [row["label"]] + ["long"] * (len(row["text"]) > 80)} for row in rows]
        paths[split] = directory / f"{split}.jsonl"
        paths[split].write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return new_study(
        name="multi-label",
        data={"source": "files", "max_length": 24, "long_texts": "windows", "label": "labels"}
        | {split: str(path) for split, path in paths.items()},
        head={"kind": "multi_label", "aggregate": "attention"},
        arms={"full": {"search": SEARCH}},
        tracking={},
    )


@pytest.mark.slow  # in `make test` classification goes the whole way, and tests/contract has what differs between kinds
@pytest.mark.parametrize("kind", HEAD_CONFIGS)
def test_a_study_of_every_kind_goes_the_whole_way(kind, new_study, tmp_path):
    study = multi_label_study(new_study, tmp_path) if kind == "multi_label" else study_of(kind, new_study)
    ended = study.run()
    summary = study.summary
    (arm,) = summary.arms
    assert arm.counts.get("failed", 0) == arm.counts.get("missing", 0) == 0
    scored = [record for record in study.records.values() if record.spec.stage == "seeds" and record.best]
    assert len(scored) == 2, "both seeds have scores"
    assert "always answering" in ended.stdout, "the gain over the constant predictor is shown"
    assert (study.dir.report_dir / "report.html").exists()
    for record in scored:
        for split in ("validation", "test"):
            stored = read_predictions(study.dir.run_dir(record.digest) / record.predictions["best"][split])
            assert len(stored) == FEW[split]
    opens_in_mlflow_and_transformers(study, kind)


def opens_in_mlflow_and_transformers(study: TinyStudy, kind: str) -> None:
    (kept,) = study.dir.path.glob("runs/*/model")
    model = getattr(transformers, HEAD_CONFIGS[kind].auto_class).from_pretrained(kept, local_files_only=True)
    (run,) = [run for run in study.runs() if run.outputs and run.outputs.model_outputs]
    extra = {"token_classification": {"crf.safetensors"}, "multi_label": {"window_attention.safetensors"}}
    beside = {"bertft_head.json"} | extra.get(kind, set())
    uri = f"sqlite:///{study.home / 'mlflow.db'}"
    client = MlflowClient(uri)
    assert {Path(item.path).name for item in client.list_artifacts(run.info.run_id, "head")} == beside
    logged = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    opened = mlflow.transformers.load_model(logged.artifact_location, return_type="components")["model"]
    assert {name: value.shape for name, value in opened.state_dict().items()} == {
        name: value.shape for name, value in model.state_dict().items()
    }


def test_every_kind_has_its_study():
    assert set(STUDIES) == set(HEAD_CONFIGS)
