"""`bertft export`: a folder that plain transformers opens with the study's predictions, and a card that the hub can read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from huggingface_hub import ModelCard, ModelCardData

import bertft_core as bertft
from bertft_core.config import StudyConfig, load_study
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.evaluation.summarize import summarize
from bertft_core.metrics.prediction_columns import matrix
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.records.ranking import ranked_runs
from bertft_core.report.study_as_yaml import study_yaml
from bertft_core.storage.damage import HEAD_FILE
from bertft_core.storage.predictions import read_predictions
from bertft_core.storage.study_dir import StudyDir, write_record
from bertft_core.storage.study_results import StudyResults
from bertft_core.training.run import train_run
from flows.cli.app import main
from tests.helpers.tiny_studies import NEGATIVE, POSITIVE, tagged, tiny_questions, tiny_study, tiny_tagged_study

TEXTS = [text for pair in zip(POSITIVE["test"], NEGATIVE["test"], strict=True) for text in pair]
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
PLAIN = """
import json, sys
sys.modules["bertft_core"] = None  # importing it would fail
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
folder, texts = sys.argv[1], json.loads(sys.argv[2])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True).eval()
with torch.no_grad():
    logits = model(**tokenizer(texts, truncation=True, max_length=48, padding=True, return_tensors="pt")).logits
print(json.dumps([logits.tolist(), [model.config.id2label[int(i)] for i in logits.argmax(-1)]]))
"""


class Trained(NamedTuple):
    """A study whose runs have ended, in `folder / "home"`."""

    folder: Path
    study: Any
    results: StudyResults

    def best_of(self, arm: str) -> RunRecord:
        return ranked_runs(self.study, self.results.planned, self.results.records)[arm][0]


def trained(folder: Path, make: Callable[..., tuple[StudyConfig, DatasetCard]] = tiny_study, **changes: Any) -> Trained:
    study, card = make(folder, **{"training": {"epochs": 1}, "arms": {"full": {}}, "seeds": {"n": 1}} | changes)
    study_dir = StudyDir(folder / "home", study.name)
    planned = plan_runs(study, card, {})
    records = {spec.digest: train_run(spec, run_dir=study_dir.run_dir(spec.digest)) for spec in planned}
    results = StudyResults(study, card, study_dir, records, planned)
    results = results.with_summary(summarize(results))
    write_record(study_dir.config_path, study)
    write_record(study_dir.card_path, card)
    write_record(study_dir.summary_path, results.summary)
    return Trained(folder, study, results)


def export(of: Trained, target: Path, *words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["export", of.study.name, "--to", str(target), "--home", str(of.folder / "home"), *words])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def reviews(tmp_path_factory) -> Trained:
    """Two arms and three seeds, all models kept."""
    arms = {"features": {"strategies": [{"kind": "feature_extraction"}]}, "full": {}}
    return trained(tmp_path_factory.mktemp("study"), arms=arms, seeds={"n": 3}, retention={"checkpoints": "all"})


@pytest.fixture(scope="module")
def exported(reviews, tmp_path_factory) -> Path:
    """The best model of the arm `full`."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    assert export(reviews, folder, "--arm", "full", "--license", "mit", "--language", "en") == 0
    return folder


def test_plain_transformers_gives_the_predictions_of_the_study(reviews, exported):
    record = reviews.best_of("full")
    run_dir = reviews.results.run_dir_of(record.digest)
    scored = matrix(read_predictions(run_dir / record.predictions["best"]["test"]), "logits", 2)
    child = subprocess.run(
        [sys.executable, "-P", "-c", PLAIN, str(exported), json.dumps(TEXTS)], capture_output=True, text=True, check=True
    )
    logits, labels = json.loads(child.stdout)
    np.testing.assert_allclose(logits, scored, atol=1e-5)
    asked = bertft.predict("tiny", TEXTS, arm="full", home=reviews.folder / "home")
    assert labels == asked["prediction"].tolist()


def test_the_folder_has_what_the_run_saved_and_nothing_that_lay_beside_it(reviews, exported, tmp_path):
    record = reviews.best_of("full")
    model_dir = reviews.results.run_dir_of(record.digest) / "model"
    saved = {path.name for path in model_dir.iterdir()}
    assert {path.name for path in exported.iterdir()} == saved | {"README.md", "study.yaml"}
    assert all((exported / name).read_bytes() == (model_dir / name).read_bytes() for name in saved)
    (model_dir / "secret.txt").write_text("mine")
    try:
        assert export(reviews, tmp_path / "again", "--arm", "full") == 0
        assert not (tmp_path / "again" / "secret.txt").exists()
    finally:
        (model_dir / "secret.txt").unlink()


def test_the_hub_client_reads_the_results_over_seeds_from_the_card(reviews, exported):
    data = ModelCard((exported / "README.md").read_text(encoding="utf-8")).data
    assert isinstance(data, ModelCardData)
    assert (data.library_name, data.pipeline_tag, data.license, data.language) == (
        "transformers",
        "text-classification",
        "mit",
        ["en"],
    )
    assert data.get("base_model") is None, "a local folder is no model of the hub"
    assert data.model_name == "tiny-full"
    (arm,) = (arm for arm in reviews.results.summary.arms if arm.arm == "full")
    rows = {(row.split, row.metric): row for row in arm.metrics if row.checkpoint == "best" and row.collapsed_included}
    first = data.eval_results[0]
    row = rows["test", "accuracy"]
    assert (first.dataset_split, first.metric_type, first.metric_value) == (
        "test",
        "accuracy",
        f"{row.mean:.4f} ± {row.sd:.4f}",
    )
    assert first.metric_args == {
        "mean": row.mean,
        "sd": row.sd,
        "n": 3,
        "low": row.t_low,
        "high": row.t_high,
        "level": 0.95,
    }
    assert {result.dataset_split for result in data.eval_results} == {"validation", "test"}
    assert len(data.eval_results) == 2 * len(reviews.study.head.metrics)


def test_the_card_tells_the_claim_the_data_the_limits_and_how_to_make_the_model_again(reviews, exported):
    text, record = (exported / "README.md").read_text(encoding="utf-8"), reviews.best_of("full")
    for told in (record.spec.title, record.digest, record.files["model/model.safetensors"], "bertft run study.yaml"):
        assert told in text
    assert re.search(r"^- full (is|and features)\b.*features", text, re.MULTILINE), "the verdict against the baseline"
    for section in ("Results", "How to use it", "Training data", "Training", "Limits", "How to reproduce it"):
        assert f"\n## {section}\n" in text
    assert ("The run collapsed" in text) == (record.status == "collapsed")
    assert str(reviews.folder) not in text + (exported / "study.yaml").read_text(), "nothing of this machine's folders"


def test_the_exported_study_plans_the_same_runs(reviews, exported, tmp_path):
    shutil.copytree(reviews.folder / "encoder", tmp_path / "encoder")
    for path in (reviews.folder / "texts").iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    shutil.copyfile(exported / "study.yaml", tmp_path / "study.yaml")
    study = load_study(tmp_path / "study.yaml")
    planned = plan_runs(study, prepare_data(study, home_dir=tmp_path / "home"), {})
    assert [spec.digest for spec in planned] == [spec.digest for spec in reviews.results.planned]


def test_one_seed_may_be_asked_for_and_a_config_names_the_study(reviews, tmp_path):
    (tmp_path / "s.yaml").write_text(study_yaml(reviews.study))
    other = next(index for index in range(3) if index != reviews.best_of("full").spec.index)
    named = reviews._replace(study=SimpleNamespace(name=str(tmp_path / "s.yaml")))
    assert export(named, tmp_path / "out", "--arm", "full", "--seed-index", str(other)) == 0
    assert f"full · seed {other:03d}, as it was asked for" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_a_program_reads_what_was_exported_and_nothing_else_from_stdout(reviews, tmp_path, capsys):
    assert export(reviews, tmp_path / "out", "--arm", "full", "--json") == 0
    digest = reviews.best_of("full").digest
    assert json.loads(capsys.readouterr().out) == {"study": "tiny", "run_digest": digest, "folder": str(tmp_path / "out")}


def test_nothing_is_overwritten(reviews, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("kept")
    assert export(reviews, tmp_path, "--arm", "full") == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert export(reviews, tmp_path / "empty", "--arm", "full") == 0


def test_a_model_that_was_not_kept_is_refused_with_what_to_set_and_no_folder_is_left(tmp_path, capsys):
    study = trained(tmp_path, retention={"checkpoints": "none"})
    assert not (study.results.run_dir_of(study.best_of("full").digest) / "model").exists()
    assert export(study, tmp_path / "out") == 2
    assert "set retention.checkpoints" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def code_of(folder: Path) -> str:
    found = CODE.search((folder / "README.md").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def run_code(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.chdir(folder)
    capsys.readouterr()
    exec(compile(code, "README.md", "exec"), {})
    return capsys.readouterr().out.strip()


HEADS: dict[str, tuple[Callable[..., tuple[StudyConfig, DatasetCard]], dict[str, Any], bool]] = {
    "pairs": (tiny_study, {"pairs": True}, True),
    "lora": (tiny_study, {"arms": {"full": {"strategies": [{"kind": "lora"}]}}}, True),
    "multi_label": (tiny_study, {"head": "multi_label"}, True),
    "regression": (tiny_study, {"head": "regression"}, True),
    "masked_lm": (tiny_study, {"head": "masked_lm"}, True),
    "mean pooling": (tiny_study, {"head": {"kind": "classification", "pooling": "mean"}}, False),
    "tags": (tiny_tagged_study, {}, True),
    "tags by mean": (tiny_tagged_study, {"head": {"word_prediction": "mean"}}, True),
    "tags with a CRF": (tiny_tagged_study, {"head": {"crf": True}}, False),
    "questions": (tiny_questions, {"unanswerable": False, "long": False}, True),
}
"""Name → what makes the study, its settings, and whether plain transformers computes the same."""


@pytest.mark.parametrize("name", HEADS)
def test_the_code_of_the_card_answers_as_bertft_predict_does(name, tmp_path, monkeypatch, capsys):
    make, changes, is_plain = HEADS[name]
    study = trained(tmp_path, make, **changes)
    assert export(study, tmp_path / "out") == 0
    text, home = (tmp_path / "out" / "README.md").read_text(encoding="utf-8"), tmp_path / "home"
    data = ModelCard(text).data
    assert (data.library_name, data.get("inference")) == (("transformers", None) if is_plain else ("bertft", False))
    assert ("bertft_core" in code_of(tmp_path / "out")) == (not is_plain)
    assert ((tmp_path / "out" / "adapter").is_dir(), "adapter/ has them alone" in text) == (name == "lora",) * 2
    assert (tmp_path / "out" / HEAD_FILE).is_file()
    asked, changed = example(name)
    code = code_of(tmp_path / "out")
    for old, new in changed.items():
        assert old in code
        code = code.replace(old, new)
    printed = run_code(code, tmp_path / "out", monkeypatch, capsys)
    (answer,) = bertft.predict("tiny", [asked], home=home)["prediction"].tolist()
    assert_same(name, printed, answer)


def example(name: str) -> tuple[Any, dict[str, str]]:
    """What is asked, and what of the card's code is replaced by it."""
    if name.startswith("tags"):
        words, _ = tagged(TEXTS[2])
        return {"tokens": words}, {'["A", "sentence", "of", "words"]': repr(words)}
    if name == "questions":
        question, context = "the film was", "the film was great and the food was bad"
        changed = {'"Who wrote it?"': repr(question), '"It was written by Ada."': repr(context)}
        return {"question": question, "context": context}, changed
    if name == "masked_lm":
        return "the film was [MASK]", {"a text with a {tokenizer.mask_token} in it": "the film was {tokenizer.mask_token}"}
    if name == "pairs":
        return {"text": TEXTS[0], "other": "was it 7"}, {
            '"a text to read"': repr(TEXTS[0]),
            '"the second text of the pair"': '"was it 7"',
        }
    return TEXTS[0], {'"a text to read"': repr(TEXTS[0])}


def assert_same(name: str, printed: str, answer: Any) -> None:
    if name == "questions":
        assert printed == answer
    elif name == "regression":
        (value,) = json.loads(printed)
        assert value == pytest.approx(answer, abs=1e-4)
    elif name.startswith("tags") or name == "masked_lm":
        assert printed == repr(list(answer))
    else:
        assert printed == repr([answer])
