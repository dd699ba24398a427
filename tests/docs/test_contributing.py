"""Every strategy, head and data source has taken each step that CONTRIBUTING lists; a forgotten step fails here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bertft_core.config import parse_study
from bertft_core.config.data_settings import DataConfig
from bertft_core.config.head_settings import HeadConfig
from bertft_core.config.schema import study_schema
from bertft_core.config.strategy_settings import StrategyConfig
from bertft_core.config.yaml_text import read_yaml
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.sources import SOURCES
from bertft_core.heads import HEADS
from bertft_core.metrics import METRICS
from bertft_core.records.list_columns import matrix_column
from bertft_core.strategies import STRATEGIES
from tests.helpers.config_keys import models_in
from tests.helpers.every_strategy import ACTIVE, NEUTRAL
from tests.helpers.markdown import ROOT, blocks
from tests.helpers.prediction_tables import EVERY_KIND

Step = tuple[str, Callable[[str], bool]]
"""A file or table that the step in CONTRIBUTING names, and whether a kind has taken the step."""

CONFIG_GUIDE = ROOT / "docs" / "guides" / "configuration.md"
DATA_GUIDE = ROOT / "docs" / "guides" / "your-data.md"
SCHEMA = ROOT / "configs" / "study.schema.json"
CARD = ("Source:", "Touches:", "Neutral:", "Order:", "Limits:")


CONFIGURED = {
    "strategy": {model.model_fields["kind"].default: model for _, model in models_in(StrategyConfig)},
    "head": {model.model_fields["kind"].default: model for _, model in models_in(HeadConfig)},
    "data source": {model.model_fields["source"].annotation.__args__[0]: model for _, model in models_in(DataConfig)},
}
"""What is being added → kind → its configuration class."""


def in_config(what: str, key: str) -> Callable[[str], bool]:
    """The kind is a member of the union, and of the committed schema."""

    def taken(kind: str) -> bool:
        constants = [part.get("properties", {}).get(key, {}).get("const") for part in committed["$defs"].values()]
        return kind in CONFIGURED[what] and kind in constants

    committed = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return taken


def has_strategy(kind: str) -> bool:
    module = STRATEGIES.get(kind)
    is_there = module is not None and module.__name__ == f"bertft_core.strategies.{kind}" and callable(module.apply)
    return is_there and all(f"\n{heading} " in module.__doc__ for heading in CARD)


def has_metrics(kind: str) -> bool:
    """The entry is made of the module's parts, and its contract is tested with tables of its own."""
    entry = METRICS.get(kind)
    is_there = entry is not None and entry.compute.__module__ == f"bertft_core.metrics.{kind}"
    return is_there and kind in {case.kind for case in EVERY_KIND.values()}


def has_alignment(kind: str) -> bool:
    return kind in ALIGNMENTS and ALIGNMENTS[kind].tokenise.__module__ == f"bertft_core.data.alignment.{kind}"


def has_head(kind: str) -> bool:
    return kind in HEADS and HEADS[kind] is import_module(f"bertft_core.heads.{kind}").HEAD


def has_row(key: str) -> Callable[[str], bool]:
    """The configuration guide has a row of this key with the kind as its default."""
    return lambda kind: f"| `{key}` | `{kind}` |" in CONFIG_GUIDE.read_text(encoding="utf-8")


def has_example(kind: str) -> bool:
    """The data guide has a section with a study of this source."""
    text = DATA_GUIDE.read_text(encoding="utf-8")
    studies = [parse_study(read_yaml(block.text, "guide")[0]) for block in blocks(DATA_GUIDE, "yaml")]
    return bool(re.search(rf"^## .*\(`source: {kind}`\)$", text, re.MULTILINE)) and kind in {s.data.source for s in studies}


def has_key_table(kind: str) -> bool:
    return f"\n`source: {kind}`:\n" in CONFIG_GUIDE.read_text(encoding="utf-8")


STEPS: dict[str, tuple[Step, Step, Step, Step]] = {
    "strategy": (
        ("bertft_core/config/strategy_settings.py", in_config("strategy", "kind")),
        ("`STRATEGIES`", has_strategy),
        ("`NEUTRAL` and `ACTIVE` of `tests/helpers/every_strategy.py`", lambda kind: kind in NEUTRAL and kind in ACTIVE),
        ("docs/guides/configuration.md", has_row("arms.*.strategies[].kind")),
    ),
    "head": (
        ("bertft_core/config/head_settings.py", in_config("head", "kind")),
        ("`METRICS`", has_metrics),
        ("`ALIGNMENTS`", has_alignment),
        ("`HEADS`", lambda kind: has_head(kind) and has_row("head.kind")(kind)),
    ),
    "data source": (
        ("bertft_core/config/data_settings.py", in_config("data source", "source")),
        ("`SOURCES`", SOURCES.__contains__),
        ("docs/guides/your-data.md", has_example),
        ("docs/guides/configuration.md", has_key_table),
    ),
}
KNOWN = {"strategy": STRATEGIES, "head": HEADS, "data source": SOURCES}
EVERY_STEP = [(what, n) for what, steps in STEPS.items() for n in range(len(steps))]


@pytest.mark.parametrize(("what", "n"), EVERY_STEP, ids=[f"{what} {n + 1}" for what, n in EVERY_STEP])
def test_every_kind_has_taken_the_step(what, n):
    _, taken = STEPS[what][n]
    kinds = {*KNOWN[what], *CONFIGURED[what]}
    assert len(kinds) >= 1
    assert [kind for kind in sorted(kinds) if not taken(kind)] == []


@pytest.mark.parametrize(("what", "n"), EVERY_STEP, ids=[f"{what} {n + 1}" for what, n in EVERY_STEP])
def test_a_forgotten_step_is_noticed(what, n):
    _, taken = STEPS[what][n]
    assert not taken("invented")


@pytest.mark.parametrize("what", STEPS)
def test_contributing_lists_the_four_steps(what):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split(f"\n## Add a {what}\n")[1].split("\n## ")[0]
    shown = [" ".join(step.split()) for step in re.findall(r"^\d\. (.*(?:\n   .*)*)", section, re.MULTILINE)]
    assert len(shown) == len(STEPS[what]) == 4
    assert [words for line, (words, _) in zip(shown, STEPS[what], strict=True) if words not in line] == []


@pytest.mark.parametrize(
    ("folder", "table", "mark"),
    [
        ("strategies", STRATEGIES, "def apply("),
        ("heads", HEADS, "HEAD = "),
        ("data/alignment", ALIGNMENTS, "ALIGNMENT = "),
        ("metrics", METRICS, "def compute("),
    ],
)
def test_no_module_is_left_out_of_its_table(folder, table, mark):
    files = (ROOT / "bertft_core" / folder).glob("*.py")
    modules = [path.stem for path in files if f"\n{mark}" in path.read_text(encoding="utf-8")]
    assert len(modules) >= 1
    assert sorted(modules) == sorted(table)


def sample_predictions(kind: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Columns of predictions of two examples with everything that the kind's metrics ask for, and the labels."""
    rows = matrix_column(np.eye(2, dtype=np.float32))
    candidate = [{"text": "x", "start": 0, "end": 1, "score": 1.0}]
    return {
        "classification": ({"label": [0, 1], "logits": rows}, ("no", "yes")),
        "multi_label": ({"label": matrix_column(np.eye(2, dtype=np.int8)), "logits": rows}, ("no", "yes")),
        "regression": ({"label": [1.0, 2.0], "predicted": pa.array([1.0, 3.0], pa.float32())}, ()),
        "token_classification": (
            {"label": pa.array([[0], [1]], pa.list_(pa.int32())), "predicted": pa.array([[0], [1]], pa.list_(pa.int32()))},
            ("O", "B-X", "I-X"),
        ),
        "question_answering": (
            {"answers": [["x"], []], "null_score": pa.array([0.0, 1.0], pa.float32()), "candidates": [candidate, candidate]},
            ("answerable", "unanswerable"),
        ),
        "masked_lm": (
            {
                "n_masked": pa.array([1, 2], pa.int32()),
                "n_correct": pa.array([1, 0], pa.int32()),
                "loss": pa.array([0.5, 2.0], pa.float64()),
            },
            (),
        ),
    }[kind]


def test_the_metrics_a_head_names_are_computed():
    for kind, head in CONFIGURED["head"].items():
        columns, labels = sample_predictions(kind)
        scores = METRICS[kind].compute(pa.table({"example_id": ["a", "b"], **columns}), labels)
        assert len(head.metrics) >= 1
        assert [metric for metric in head.metrics if metric not in scores] == []


def test_the_committed_schema_is_that_of_the_classes():
    assert json.loads(Path(SCHEMA).read_text(encoding="utf-8")) == study_schema()
