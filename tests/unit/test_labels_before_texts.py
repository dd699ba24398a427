"""Published kinds of files that look like text, or like words, and are more: a label before each text, one word per row."""

from __future__ import annotations

import pytest

from bertft_core.config import UserError, load_study, parse_study
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.readers.file_content import label_before_text
from bertft_core.recipes.task_guess import guess
from bertft_core.report.prose.data_card_text import findings_lines
from flows.cli.recommend_command import recommend_command
from flows.cli.recommend_request import RecommendRequest
from tests.helpers.tiny_encoders import tiny_encoder

QUESTIONS = [f"How did the film number {i} end ?" for i in range(30)]
TREC = "".join(f"{'DESC:manner' if i % 2 else 'ENTY:cremat'} {text}\n" for i, text in enumerate(QUESTIONS))
FASTTEXT = "".join(f"__label__{'pos' if i % 2 else 'neg'} {text}\n" for i, text in enumerate(QUESTIONS))
DIGITS = "".join(f"{i % 3} {text}\n" for i, text in enumerate(QUESTIONS))
WORDS = "Sentence #,Word,POS,Tag\n" + "".join(
    f"Sentence: {i},Ann{i},NNP,B-PER\n,lives,VBZ,O\n,in,IN,O\n,Rome,NNP,B-LOC\n" for i in range(30)
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (TREC, "ENTY:cremat"),
        (FASTTEXT, "__label__neg"),
        (DIGITS, "0"),
        ("".join(f"{text}\n" for text in QUESTIONS), None),
        ("".join(f"{i} {text}\n" for i, text in enumerate(QUESTIONS)), None),  # numbered lines
        ("".join(f"note:{chr(97 + i % 26)}{chr(97 + i // 26)} {text}\n" for i, text in enumerate(QUESTIONS)), None),
        (TREC[: TREC.index("\n") + 1], None),
    ],
)
def test_a_label_before_each_text_is_seen_and_nothing_else_is_taken_for_one(tmp_path, text, label):
    path = tmp_path / "train.txt"
    path.write_text(text)
    assert label_before_text(path) == label


def test_it_is_found_when_the_lines_are_learned_as_texts_and_the_remedy_works(tmp_path, encoder):
    (tmp_path / "train.txt").write_text(TREC)
    data = {"source": "files", "train": str(tmp_path / "train.txt"), "text_unit": "line", "max_length": 32}
    values = {"name": "s", "head": "masked_lm", "encoder": {"path": str(encoder)}, "arms": {"full": {}}}
    card = prepare_data(parse_study(values | {"data": data}), home_dir=tmp_path / "home")
    (line,) = [text for text in findings_lines(card) if "seem to begin with a label, such as ENTY:cremat" in text]
    assert "data.columns: [label, text]" in line
    (tmp_path / "train.tsv").write_text("".join(text.replace(" ", "\t", 1) + "\n" for text in TREC.splitlines()))
    table = {"train": str(tmp_path / "train.tsv"), "header": False, "columns": ["label", "text"], "max_length": 32}
    asked = values | {"head": "classification", "data": {"source": "files", **table}}
    assert prepare_data(parse_study(asked), home_dir=tmp_path / "home").labels == ("DESC:manner", "ENTY:cremat")
    meant = prepare_data(parse_study(values | {"data": data | {"format": "text"}}), home_dir=tmp_path / "home")
    assert "labels_in_texts" not in {finding.check for finding in meant.findings}


def test_a_classification_of_such_a_file_says_where_to_put_a_tab(tmp_path, encoder):
    (tmp_path / "train.txt").write_text(FASTTEXT)
    data = {"source": "files", "train": str(tmp_path / "train.txt"), "max_length": 32}
    study = parse_study({"name": "s", "data": data, "encoder": {"path": str(encoder)}, "arms": {"full": {}}})
    with pytest.raises(UserError) as refused:
        prepare_data(study, home_dir=tmp_path / "home")
    assert refused.value.code == "data.format-of-head"
    assert "put a tab after each line's label" in refused.value.hint


def test_one_word_per_row_is_put_together_by_its_sentence(tmp_path):
    (tmp_path / "train.csv").write_text(WORDS)
    found = guess(tmp_path / "train.csv", {})
    assert found.head == "token_classification"
    assert found.data == {"tokens": "Word", "tags": "Tag", "sentence": "Sentence #"}
    assert "sentence_column" in {reason.rule for reason in found.conclusions}


def test_sentences_in_rows_of_their_own_are_left_alone(tmp_path):
    (tmp_path / "train.csv").write_text("sentence,words,tags\n" + "".join(f"{i},Ann sat,B-PER O\n" for i in range(9)))
    assert "sentence" not in guess(tmp_path / "train.csv", {}).data


LABELLED = "text,label\n" + "".join(f"a {w} film number {i},{w}\n" for i in range(30) for w in ("good", "bad"))
RAW = {
    "labels that look alike": ("t.csv", LABELLED + "".join(f"one {i} more,Good\n" for i in range(9)), "look_alike_labels"),
    "conflicts and copies": ("t.csv", LABELLED + "a good film number 1,bad\n", "conflicting_labels"),
    "a label before each text": ("t.txt", TREC, "labels_in_texts"),
}


@pytest.mark.parametrize("name", RAW)
def test_recommend_tells_every_finding_that_check_data_has_on_its_study(tmp_path, encoder, monkeypatch, capsys, name):
    file, text, check = RAW[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).write_text(text)
    asked = RecommendRequest([f"encoder.path={encoder}"], None, [], None, "out.yaml", False)
    assert recommend_command(file, tmp_path / "home", asked) == 0
    printed = capsys.readouterr().out
    card = prepare_data(load_study(tmp_path / "out.yaml"), home_dir=tmp_path / "home")
    assert check in {finding.check for finding in card.findings}
    assert set(findings_lines(card)) <= set(printed.splitlines())
