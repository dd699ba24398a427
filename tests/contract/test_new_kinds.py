"""A head and a strategy that are added by CONTRIBUTING's steps alone work from data to report."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

HEAD_CONFIG = '''
class LengthHead(DrawnHead):
    """Whether a text is long, learned from a column of yes and no by squared error."""

    kind: Literal["length"] = "length"
    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    n_outputs: ClassVar[int | None] = 1
    metrics: ClassVar[dict[str, Direction]] = {"accuracy": "maximize"}
    reads: ClassVar[frozenset[str]] = frozenset({"text", "label"})
    offers: ClassVar[frozenset[Offer]] = frozenset({"example_classes"})


'''
METRICS = '''"""Share of right answers, long where the number is above one half."""

import numpy as np

from bertft_core.metrics.per_example.statistic import mean_of
from bertft_core.metrics.prediction_columns import vector


def right(predictions, labels, **tuned):
    return (vector(predictions, "score") > 0.5) == (vector(predictions, "label") > 0.5)


def compute(predictions, labels, **tuned):
    return {"accuracy": float(right(predictions, labels).mean())}


def majority(train, split, labels):
    most = vector(train, "label").mean() > 0.5
    return {"accuracy": float(((vector(split, "label") > 0.5) == most).mean())}


def statistics(predictions, labels, **tuned):
    return {"accuracy": mean_of(right(predictions, labels))}


def output(seeds, names, **tuned):
    scores = np.stack([vector(seed.table, "score") for seed in seeds])
    return [{"prediction": "yes" if of_input > 0.5 else "no"} for of_input in scores.mean(axis=0)]
'''
METRICS_ENTRY = """    "length": TaskMetrics(
        compute=length.compute,
        majority=length.majority,
        constant="the most frequent answer",
        unit="example",
        statistics=length.statistics,
        right=length.right,
        output=length.output,
    ),
"""
ALIGNMENT = '''"""Texts with yes or no."""

import pyarrow as pa

from bertft_core.data.alignment.texts import text_alignment, tokenise_texts
from bertft_core.data.cells import label_of


def tokenise(tokenizer, examples, labels, data, types):
    label = pa.array([float(example.label == "yes") for example in examples], pa.float32())
    return tokenise_texts(tokenizer, examples, data, types, label)


ALIGNMENT = text_alignment(lambda cell, data, place: label_of(cell, data.label, place), tokenise, ())
'''
HEAD = '''"""One number for a text, trained by squared error."""

from functools import partial

import numpy as np
import pyarrow as pa
import torch
from transformers import AutoModelForSequenceClassification

from bertft_core.heads.head import Head, LabelClasses, load
from bertft_core.heads.inputs import window_inputs
from bertft_core.loss_shapes import PLAIN


def build(encoder_dir, labels, dropout, config):
    return load(AutoModelForSequenceClassification, encoder_dir, dropout, init=config.init, num_labels=1)


def head_inputs(split, indices, config, draw=None):
    return window_inputs(split, indices, positions=None, n_targets=len(indices), targets=split.values("label")[indices])


def loss_sum(model, logits, inputs, config, shape=PLAIN):
    return (logits[:, 0].float() - torch.from_numpy(inputs.targets).to(logits.device)).square().sum()


HEAD = Head(
    pipeline="text-classification",
    build=build,
    head_inputs=head_inputs,
    head_forward=lambda model, config, inputs: None,
    loss_sum=loss_sum,
    outputs=lambda model, logits, inputs, config: logits[:, 0].float().tolist(),
    predictions=lambda gold, rows: gold.append_column("score", pa.array(rows, pa.float32())),
    classes=lambda split, n_labels: LabelClasses(classes=split.values("label").astype(np.int64)),
)
'''
STRATEGY_CONFIG = '''
class Shrinking(Frozen):
    """Smaller weights to start from."""

    kind: Literal["shrinking"] = "shrinking"
    factor: float = Field(0.5, gt=0.0, le=1.0, description="Factor on every weight.")


'''
STRATEGY = '''"""Shrinking: training starts from smaller weights.

Source:   none, it is made for a test.
Touches:  the starting weights.
Neutral:  factor = 1.0.
Order:    after every other.
Limits:   none.
"""

import torch


@torch.no_grad()
def apply(plan, config):
    for parameter in plan.model.parameters():
        parameter.mul_(config.factor)
'''
STUDY = """
import json
import sys
from pathlib import Path

from bertft_core.config import parse_study
from bertft_core.data.new_examples import read_inputs
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.evaluation.summarize import evaluated
from bertft_core.heads.saved_model import load_model
from bertft_core.planning.run_specs import plan_runs
from bertft_core.records import RunRecord
from bertft_core.report.study_report import write_report
from bertft_core.storage.predictions import read_predictions
from bertft_core.storage.study_dir import StudyDir, read_record
from bertft_core.storage.study_results import StudyResults
from bertft_core.training.predict import KeptRun, predict
from bertft_core.training.run import train_run
from tests.helpers.tiny_encoders import tiny_encoder

folder = Path(sys.argv[1])
texts = [("good " * n, "yes" if n > 3 else "no") for n in range(1, 9)]
files = {split: str(folder / f"{split}.jsonl") for split in ("train", "validation", "test")}
for path in files.values():
    lines = [json.dumps({"text": text, "label": label}) for text, label in texts]
    Path(path).write_text("\\n".join(lines) + "\\n")
study = parse_study(
    {
        "name": "toy",
        "head": "length",
        "encoder": {"path": str(tiny_encoder(folder / "encoder"))},
        "data": {"source": "files", "max_length": 32} | files,
        "training": {"max_steps": 2, "epochs": None, "batch_size": 4},
        "arms": {"full": {}, "shrunk": {"strategies": [{"kind": kind} for kind in ("shrinking", "stratified_batches")]}},
        "seeds": {"n": 3},
        "execution": {"device": "cpu", "slots": 1},
    }
)
card = prepare_data(study, home_dir=folder / "home")
study_dir = StudyDir(folder / "home", study.name)
found, records, planned = {}, {}, plan_runs(study, card, {})
for spec in planned:
    run_dir = study_dir.run_dir(spec.digest)
    train_run(spec, run_dir=run_dir)
    record = records[spec.digest] = read_record(run_dir / "record.json", RunRecord)
    inputs = read_inputs(folder / "test.jsonl", study.data, "length")
    predicted = predict([KeptRun(record, run_dir)], inputs, study.data, threads=1)
    table = read_predictions(run_dir / record.predictions["best"]["test"])
    found[spec.arm] = {
        "status": record.status,
        "n_steps": record.n_steps,
        "scores": record.best["test"],
        "majority": record.majority_score,
        "stored": ["yes" if score > 0.5 else "no" for score in table["score"].to_pylist()],
        "predicted": [row["prediction"] for row in predicted.rows],
        "head": load_model(run_dir / "model").head.kind,
        "initial_head": record.initial_head_sha256,
        "order": record.batch_order_sha256,
    }
results = evaluated(StudyResults(study, card, study_dir, records, planned))
found["pairs"] = [pair.unit for pair in results.summary.comparison.pairs]
found["report"] = write_report(results).read_text()
print(json.dumps(found))
"""


def changed(path: Path, *replaced: tuple[str, str]) -> None:
    """Edit a file; each place to edit is there exactly once."""
    text = path.read_text(encoding="utf-8")
    for old, new in replaced:
        assert text.count(old) == 1, (path.name, old)
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def entered(path: Path, module: str, before: str, entry: str, behind: str) -> None:
    """Import a module before another one, and enter it in the table behind another entry."""
    changed(path, (f"    {before},\n", f"    {module},\n    {before},\n"), (behind, behind + entry))


def add_head(core: Path) -> None:
    """The steps of CONTRIBUTING but those for documents and tests."""
    union = "AnyHead = ClassificationHead"
    changed(core / "config" / "head_settings.py", (f"\n{union}", f"{HEAD_CONFIG}{union} | LengthHead"))
    (core / "metrics" / "length.py").write_text(METRICS)
    entered(core / "metrics" / "every_task.py", "length", "ensembles", METRICS_ENTRY, "METRICS: dict[str, TaskMetrics] = {\n")
    for folder, content, name in (("data/alignment", ALIGNMENT, "ALIGNMENT"), ("heads", HEAD, "HEAD")):
        (core / folder / "length.py").write_text(content)
        entry, last = f'    "length": length.{name},\n', f'    "masked_lm": masked_lm.{name},\n'
        entered(core / folder / "__init__.py", "length", "masked_lm", entry, last)


def add_strategy(core: Path) -> None:
    """The same for the strategy."""
    union, last = "\nAnyStrategy = (", "    | WeightAveraging\n"
    settings = core / "config" / "strategy_settings.py"
    changed(settings, (union, f"{STRATEGY_CONFIG}{union.strip()}"), (last, f"{last}    | Shrinking\n"))
    (core / "strategies" / "shrinking.py").write_text(STRATEGY)
    entry, last = '    "shrinking": shrinking,\n', '    "swa": swa,\n'
    entered(core / "strategies" / "__init__.py", "shrinking", "stratified_batches", entry, last)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What a study with the new head and the new strategy gives, carried out by a copy of the core with both added."""
    folder = tmp_path_factory.mktemp("added")
    shutil.copytree(ROOT / "bertft_core", folder / "core" / "bertft_core", ignore=shutil.ignore_patterns("__pycache__"))
    add_head(folder / "core" / "bertft_core")
    add_strategy(folder / "core" / "bertft_core")
    (folder / "study").mkdir()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(folder / "core"), str(ROOT)))}
    command = [sys.executable, "-P", "-c", STUDY, str(folder / "study")]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("arm", ["full", "shrunk"])
def test_a_study_with_both_is_prepared_trained_scored_and_predicts_what_it_stored(found, arm):
    of_arm = found[arm]
    assert of_arm["status"] in ("ok", "collapsed")
    assert of_arm["n_steps"] == 2
    assert of_arm["majority"] == 5 / 8
    gold = ["no"] * 3 + ["yes"] * 5
    right = [stored == true for stored, true in zip(of_arm["stored"], gold, strict=True)]
    assert of_arm["scores"] == {"accuracy": sum(right) / 8}
    assert of_arm["predicted"] == of_arm["stored"]
    assert of_arm["head"] == "length"


def test_the_strategies_change_what_they_name(found):
    assert found["full"]["initial_head"] == found["shrunk"]["initial_head"], "strategies are applied after the head is drawn"
    assert found["full"]["order"] != found["shrunk"]["order"], "stratified batches read the classes of the new head"


def test_a_study_with_both_is_compared_and_reported(found):
    assert found["pairs"] == ["example"]
    assert "with a length head" in found["report"]
