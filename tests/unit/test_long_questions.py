"""Questions that are too long are refused, truncated or left out, and the card counts them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertft_core.config import UserError, parse_study
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.prepared_split import open_split
from bertft_core.recipes.advice import advise
from bertft_core.recipes.measure_data import data_profile_of
from tests.helpers.tiny_encoders import tiny_encoder

LONG = "good film " * 8


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def study_of(encoder, tmp_path):
    def make(questions: list[str], **settings):
        rows = [{"id": f"q{i}", "question": q, "context": f"the food was bad {i}"} for i, q in enumerate(questions)]
        for name in ("train", "validation"):
            answers = [{"text": "food", "answer_start": 4}]
            lines = [json.dumps(row | {"context": f"{row['context']} {name}", "answers": answers}) for row in rows]
            (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
        files = {name: str(tmp_path / f"{name}.jsonl") for name in ("train", "validation")}
        data = {"source": "files", "max_length": 40, "max_question_length": 6} | files | settings
        values = {"name": "s", "data": data, "head": "question_answering", "encoder": {"path": str(encoder)}}
        return parse_study(values | {"arms": {"full": {}}})

    return make


def test_by_default_they_are_refused(study_of, tmp_path):
    with pytest.raises(UserError) as refused:
        prepare_data(study_of(["good", LONG]), home_dir=tmp_path)
    assert (refused.value.code, refused.value.line) == ("question.too-long", 2)
    assert "data.long_questions" in refused.value.hint


@pytest.mark.parametrize(
    ("how", "n", "texts"), [("truncate", 2, ["good", "good film good film good film"]), ("drop", 1, ["good"])]
)
def test_they_are_truncated_or_left_out_and_counted(study_of, tmp_path, how, n, texts):
    card = prepare_data(study_of(["good", LONG], long_questions=how), home_dir=tmp_path)
    assert card.splits["train"].n_examples == n
    assert open_split(card.directory, "train").table["text"].to_pylist() == texts
    found = [finding for finding in card.findings if finding.check == "long_questions"]
    assert [(f.split, f.count, f.names) for f in found] == [("train", 1, (how,)), ("validation", 1, (how,))]
    assert found[0].examples[0].startswith("train.jsonl:2: good film")


@pytest.mark.parametrize("how", ["truncate", "drop"])
def test_data_without_long_questions_are_the_same_data_whatever_the_setting(study_of, tmp_path, how):
    card = prepare_data(study_of(["good", "bad"], long_questions=how), home_dir=tmp_path)
    assert card.fingerprint == prepare_data(study_of(["good", "bad"]), home_dir=tmp_path).fingerprint
    assert all(finding.check != "long_questions" for finding in card.findings)


def test_a_split_of_which_nothing_is_left_is_refused(study_of, tmp_path):
    with pytest.raises(UserError) as refused:
        prepare_data(study_of([LONG], long_questions="drop"), home_dir=tmp_path)
    assert refused.value.code == "question.all-too-long"


def test_recommend_measures_a_question_of_any_length(study_of, tmp_path):
    assert data_profile_of(study_of(["good", LONG]), tmp_path).longest_question == 16


@pytest.mark.parametrize(
    ("longest", "chosen"),
    [(64, {}), (65, {"max_question_length": 80}), (300, {"max_question_length": 251, "long_questions": "truncate"})],
)
def test_recommend_makes_room_for_the_longest_question(study_of, tmp_path, longest, chosen):
    profile = data_profile_of(study_of(["good"]), tmp_path).model_copy(update={"longest_question": longest})
    roomy = profile.model_copy(update={"encoder": profile.encoder.model_copy(update={"max_length": 512})})
    choices = {choice.path[-1]: choice.value for choice in advise(roomy).choices}
    assert {name: choices[name] for name in ("max_question_length", "long_questions") if name in choices} == chosen
