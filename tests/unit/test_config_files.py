"""The studies in configs/ load, and the JSON schema beside them is the one of the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from bertft_core.config import load_study
from bertft_core.config.schema import schema_text
from bertft_core.config.yaml_text import read_yaml

CONFIGS = Path(__file__).parents[2] / "configs"
SCHEMA = CONFIGS / "study.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
FILES = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.y*ml"))
GLUE = {
    "cola": "mcc",
    "sst2": "accuracy",
    "mrpc": "accuracy_and_f1",
    "qqp": "accuracy_and_f1",
    "stsb": "pearson_and_spearman",
    "mnli": "accuracy",
    "qnli": "accuracy",
    "rte": "accuracy",
    "wnli": "accuracy",
}
"""Task → the metric that GLUE reports."""
HUB_FILES = [name for name in FILES if load_study(CONFIGS / name).data.source == "hub"]
COMMIT = re.compile("[0-9a-f]{40}")
REWRITE = "python -m bertft_core.config.schema > configs/study.schema.json"


def test_there_are_ready_studies():
    assert len(FILES) >= 16
    assert {"quickstart.yaml", "debug/reviews.yaml", *HUB_FILES} <= set(FILES)
    assert {name.removesuffix(".yaml") for name in HUB_FILES if name.startswith("glue/")} == {f"glue/{task}" for task in GLUE}


@pytest.mark.parametrize("name", FILES)
def test_a_ready_study_loads_and_satisfies_the_schema_it_names(name):
    path = CONFIGS / name
    study = load_study(path)
    assert study.description
    first_row = path.read_text().splitlines()[0]
    assert first_row.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first_row.partition("=")[2]).resolve() == SCHEMA
    VALIDATOR.validate(read_yaml(path.read_text(), name)[0])


def test_overrides_that_comments_of_ready_studies_offer_are_taken():
    offered = [(name, key) for name in FILES for key in re.findall(r"#.*--set ([^`\s]+)", (CONFIGS / name).read_text())]
    assert len(offered) >= 3
    for name, override in offered:
        assert load_study(CONFIGS / name, [override]).digest != load_study(CONFIGS / name).digest


def test_the_schema_is_one_itself():
    assert json.loads(SCHEMA.read_text())["$schema"] == VALIDATOR.META_SCHEMA["$schema"]
    VALIDATOR.check_schema(json.loads(SCHEMA.read_text()))


def test_no_two_ready_studies_share_a_name():
    names = [load_study(CONFIGS / name).name for name in FILES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("task", GLUE)
def test_a_glue_study_reports_on_a_split_it_does_not_choose_on(task):
    study = load_study(CONFIGS / "glue" / f"{task}.yaml")
    data, suffix = study.data, "_matched" if task == "mnli" else ""
    assert (data.validation, data.test, data.train) == (None, f"validation{suffix}", "train")
    assert (data.name, data.config, study.metric) == ("nyu-mll/glue", task, GLUE[task])
    assert data.out_of_domain == ({"mismatched": "validation_mismatched"} if task == "mnli" else {})


@pytest.mark.parametrize("task", ["mrpc", "qqp"])
def test_f1_is_of_the_label_that_means_yes(task):
    labels = load_study(CONFIGS / "glue" / f"{task}.yaml").data.labels
    assert labels is not None
    assert labels[0] == f"not_{labels[1]}"


@pytest.mark.parametrize("name", HUB_FILES)
def test_a_study_of_the_hub_starts_from_pinned_weights_and_data(name):
    study = load_study(CONFIGS / name)
    assert COMMIT.fullmatch(study.encoder.revision or "")
    of_a_paper = name.startswith("papers/")  # as there: bert-large, of which the commit is known, and its seeds and splits
    assert of_a_paper or study.encoder.weights_sha256 is not None
    release = {"ud_english_ewt.yaml": "2.17"}  # a branch for each release of UD
    assert study.data.revision == release.get(name) or COMMIT.fullmatch(study.data.revision or "")
    assert of_a_paper or study.data.test is not None
    assert of_a_paper or study.seeds.n == 5


def test_the_committed_schema_is_the_one_of_the_code():
    assert SCHEMA.read_text() == schema_text(), f"the configuration changed; write the schema again: {REWRITE}"


def test_the_command_that_writes_the_schema_works():
    module = REWRITE.split()[2]
    done = subprocess.run([sys.executable, "-m", module], capture_output=True, text=True, check=True, cwd=CONFIGS.parent)
    assert done.stdout == SCHEMA.read_text()
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("change", "is_valid"),
    [
        ({}, True),
        ({"head": "classification"}, True),
        ({"head": "clasification"}, False),
        ({"nmae": "s"}, False),
        ({"training": {"learning_rate": 3}}, False),
        ({"arms": {"full": {"search": {"space": {"lr": {"choices": [1]}}}}}}, False),
        ({"arms": {"full": {"search": {"space": {"learning_rate": {"choices": [1]}}}}}}, True),
        ({"seeds": {"design": {"only": "init"}}}, True),
        ({"seeds": {"design": "jiont"}}, False),
    ],
)
def test_the_schema_tells_an_editor_what_the_loader_would_say(change, is_valid):
    study = {"name": "s", "data": {"source": "bundled", "name": "reviews"}, "arms": {"full": {}}} | change
    assert VALIDATOR.is_valid(study) is is_valid
