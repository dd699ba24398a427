"""The ready studies of hub data are prepared as shipped, from a stand-in hub whose files have the layout of the real ones.

Only the encoder is another one. That the real repositories have this layout is known from the sources that
docs/guides/published-studies.md names; it is not tested here.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertft_core.config import load_study
from bertft_core.records import DatasetCard
from tests.helpers.hub_data_sets import CONLL_TAGS, GLUE, REPOSITORIES, TEXTS, UPOS, WNUT_TAGS, N
from tests.helpers.hub_server import serve_hub
from tests.helpers.tiny_encoders import tiny_encoder

CONFIGS = Path(__file__).parents[2] / "configs"
STUDIES = {path.relative_to(CONFIGS).with_suffix("").as_posix(): load_study(path) for path in sorted(CONFIGS.rglob("*.yaml"))}
NAMES = [name for name, study in STUDIES.items() if study.data.source == "hub"]
CONVERTED = "refs/convert/parquet"
PREPARE = """
import json, sys
from bertft_core.config import load_study
from bertft_core.data.prepare_study_data import prepare_data
asked = json.loads(sys.argv[1])
cards = {name: prepare_data(load_study(*study), home_dir=asked["home"]) for name, study in asked["studies"].items()}
print(json.dumps({name: card.model_dump(mode="json") for name, card in cards.items()}))
"""


@pytest.fixture(scope="module")
def cards(tmp_path_factory) -> dict[str, DatasetCard]:
    """Study → what its preparation found, all of them in one process that knows no other hub."""
    folder = tmp_path_factory.mktemp("hub")
    encoder = tiny_encoder(folder / "encoder", max_position_embeddings=512, num_hidden_layers=6)  # reinit_6 needs them
    overrides = [f"encoder.path={encoder}", "encoder.revision=null", "encoder.weights_sha256=null"]
    studies = {name: (str(CONFIGS / f"{name}.yaml"), overrides) for name in NAMES}
    studies["converted"] = (studies["wnut17"][0], [*overrides, f"data.revision={CONVERTED}"])
    with serve_hub() as hub:
        for name, write in REPOSITORIES.items():
            write(folder / name)
            revision = next(str(STUDIES[study].data.revision) for study in NAMES if STUDIES[study].data.name == name)
            is_commit = len(revision) == 40
            hub.add("datasets", name, folder / name, *((revision, CONVERTED) if is_commit else ("b" * 40, revision)))
        asked = {"studies": studies, "home": str(folder / "home")}
        done = hub.run(PREPARE, json.dumps(asked), home_dir=folder / "cache")
    assert done.returncode == 0, done.stderr
    return {name: DatasetCard.model_validate(card) for name, card in json.loads(done.stdout).items()}


def test_every_study_of_the_hub_has_a_stand_in():
    assert len(NAMES) >= 18
    assert {STUDIES[name].data.name for name in NAMES} == set(REPOSITORIES)


@pytest.mark.parametrize("name", NAMES)
def test_a_ready_study_is_prepared_as_shipped(cards, name):
    card, data = cards[name], STUDIES[name].data
    sizes = {split: part.n_examples for split, part in card.splits.items()}
    assert {"train", "validation", *(["test"] if data.test else [])} <= sizes.keys()
    assert "test" not in sizes or sizes["test"] == N[data.test]
    cut = data.validation is None
    assert sizes["train"] + (sizes["validation"] if cut else 0) == N["train"]
    assert sizes["validation"] == N[data.validation] if not cut else sizes["validation"] >= 1
    assert STUDIES[name].metric in card.splits["validation"].constant_scores


@pytest.mark.parametrize("task", [task for task in GLUE if task != "stsb"])
def test_the_classes_of_a_glue_task_have_their_names(cards, task):
    labels = cards[f"glue/{task}"].labels
    assert sorted(labels) == sorted(GLUE[task].classes)
    assert sum(cards[f"glue/{task}"].splits["test"].label_counts.values()) == 12


@pytest.mark.parametrize("task", ["mrpc", "qqp"])
def test_f1_of_a_constant_yes_is_that_of_the_class_that_means_yes(cards, task):
    card = cards[f"glue/{task}"]
    assert card.labels == GLUE[task].classes
    assert card.splits["test"].label_counts == dict.fromkeys(card.labels, 6)


def test_mnli_is_reported_on_both_validation_sets(cards):
    assert {name: part.n_examples for name, part in cards["glue/mnli"].splits.items() if name not in ("train", "validation")} == {
        "test": N["validation_matched"],
        "mismatched": N["validation_mismatched"],
    }


def test_stsb_is_read_as_numbers(cards):
    assert cards["glue/stsb"].labels == ()
    assert cards["glue/stsb"].splits["test"].constant_scores["pearson_and_spearman"] == 0.0


@pytest.mark.parametrize(("name", "known"), [("conll2003", CONLL_TAGS), ("wnut17", WNUT_TAGS), ("ud_english_ewt", UPOS)])
def test_tags_have_their_names_and_every_word_has_one(cards, name, known):
    card = cards[name]
    assert set(card.labels) <= set(known)
    assert len(card.labels) >= 5
    assert sum(card.splits["test"].label_counts.values()) == sum(len(text.split()) for text in TEXTS[: N["test"]])


def test_the_branch_of_converted_files_is_read_by_its_name(cards):
    assert cards["converted"].splits["train"].origin.path == f"leondz/wnut_17@{CONVERTED}[train]"
    assert cards["converted"].fingerprint == cards["wnut17"].fingerprint


def test_the_answers_of_squad_are_found_in_their_contexts(cards):
    assert [finding for finding in cards["squad"].findings if finding.check == "misplaced_answers"] == []
    assert cards["squad"].splits["test"].label_counts == {"answerable": 12}
    assert cards["squad_v2"].splits["test"].label_counts == {"answerable": 8, "unanswerable": 4}


def test_validation_questions_are_cut_by_paragraph(cards):
    for name in ("squad", "squad_v2"):
        assert [finding for finding in cards[name].findings if finding.check == "overlap"] == []
        assert cards[name].splits["validation"].n_examples % 2 == 0, "two questions on each context"
