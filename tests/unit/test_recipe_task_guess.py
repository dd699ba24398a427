"""What a data file tells of itself: every format, every kind of head, and what is asked for where it tells nothing."""

import gzip
import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from bertft_core.config import UserError
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.data.bundled import BUNDLED, bundled_files
from bertft_core.recipes.data_files import data_values, siblings, study_name
from bertft_core.recipes.reasons import because
from bertft_core.recipes.task_guess import guess, scheme_of_sentences
from bertft_core.report.prose import recipe_reasons

ROWS = [{"text": f"text number {i}", "label": "ab"[i % 2]} for i in range(12)]


def write(path, rows=ROWS):
    """A table in the format that the name says."""
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        parquet.write_table(pa.Table.from_pylist(rows), path)
        return path
    if name.endswith(".jsonl"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        between = "\t" if name.endswith(".tsv") else ","
        text = "\n".join([between.join(rows[0]), *(between.join(map(str, row.values())) for row in rows)]) + "\n"
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz", "a.jsonl.gz"])
def test_more_rows_than_a_study_may_have_are_refused_here_too(tmp_path, name):
    path = write(tmp_path / name)
    assert guess(path, {"max_rows": len(ROWS)}).head == "classification"
    with pytest.raises(UserError) as caught:
        guess(path, {"max_rows": len(ROWS) - 1})
    assert caught.value.code == "file.too-many-rows"


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz", "a.jsonl.gz"])
def test_a_table_of_texts_and_names_is_a_classification(tmp_path, name):
    found = guess(write(tmp_path / name), {})
    assert found.head == "classification"
    assert (found.data["text"], found.data["label"]) == ("text", "label")
    assert found.conclusions == (because("text_column", column="text"), because("names", column="label", n=2))


@pytest.mark.parametrize(
    ("columns", "head", "data"),
    [
        ({"sentence": "s", "sentiment": "x"}, "classification", {"text": "sentence", "label": "sentiment"}),
        (
            {"premise": "p", "hypothesis": "h", "label": "x"},
            "classification",
            {"text": ["premise", "hypothesis"], "label": "label"},
        ),
        (
            {"sentence1": "p", "sentence2": "h", "score": 1.5},
            "regression",
            {"text": ["sentence1", "sentence2"], "label": "score"},
        ),
        ({"text": "t", "rating": 0.5}, "regression", {"text": "text", "label": "rating"}),
        ({"text": "t", "labels": ["x", "y"]}, "multi_label", {"text": "text", "label": "labels"}),
        ({"text": "t"}, "masked_lm", {"text": "text"}),
        ({"id": 3, "text": "t"}, "masked_lm", {"text": "text"}),
        ({"tokens": ["a", "b"], "ner_tags": ["O", "B-X"]}, "token_classification", {"tokens": "tokens", "tags": "ner_tags"}),
        ({"words": ["a", "b"], "upos": ["NOUN", "VERB"]}, "token_classification", {"tokens": "words", "tags": "upos"}),
        ({"id": "1", "question": "q", "context": "c", "answers": []}, "question_answering", {}),
        ({"question": "q", "context": "c", "answers": []}, "question_answering", {"id": None}),
        ({"headline": "h", "label": "x"}, "classification", {"text": "headline", "label": "label"}),
    ],
)
def test_columns_with_usual_names_tell_the_head(tmp_path, columns, head, data):
    rows = [{k: (v + str(i % 2) if k in ("sentiment", "label") else v) for k, v in columns.items()} for i in range(4)]
    found = guess(write(tmp_path / "a.jsonl", rows), {})
    assert found.head == head
    assert data.items() <= found.data.items()


@pytest.mark.parametrize(
    ("cells", "head", "rule", "n"),
    [
        (["3", "4", "5", "3"], "classification", "whole_numbers_classification", 3),
        ([str(i) for i in range(21)], "regression", "whole_numbers_regression", 21),
        ([str(i) for i in range(20)], "classification", "whole_numbers_classification", 20),
        (["3.0", "4.5", "5", "3"], "regression", "decimals", None),
        ([True, False, True], "classification", "names", 2),
        (["x", "y", "x"], "classification", "names", 2),
    ],
)
def test_the_cells_of_a_label_column_tell_names_from_numbers(tmp_path, cells, head, rule, n):
    rows = [{"text": f"t{i}", "label": cell} for i, cell in enumerate(cells)]
    found = guess(write(tmp_path / "a.jsonl", rows), {})
    assert found.head == head
    assert found.conclusions[-1] == because(rule, column="label", **({} if n is None else {"n": n}))


@pytest.mark.parametrize(("separator", "data"), [("|", {"label_separator": "|"}), (",", {})])
def test_labels_in_one_cell_are_several_and_their_separator_is_found(tmp_path, separator, data):
    cells = ["x", f"x{separator}y", "y", f"z{separator}x"]
    rows = [{"text": f"t{i}", "labels": cell} for i, cell in enumerate(cells)]
    found = guess(write(tmp_path / "a.jsonl", rows), {})
    assert found.head == "multi_label"
    assert found.data.get("label_separator", ",") == data.get("label_separator", ",")


def test_a_column_named_label_with_commas_in_its_names_stays_one_label(tmp_path):
    rows = [{"text": f"t{i}", "label": cell} for i, cell in enumerate(["North, Lower", "South, Upper"] * 3)]
    assert guess(write(tmp_path / "a.jsonl", rows), {}).head == "classification"


def test_the_asked_for_head_and_columns_win(tmp_path):
    rows = [{"body": "b", "note": "n", "stars": str(i), "kind": "x"} for i in range(1, 6)]
    path = write(tmp_path / "a.csv", rows)
    assert guess(path, {"text": "note", "label": "stars"}, "regression").head == "regression"
    assert guess(path, {"text": "note", "label": "stars"}, "regression").data["text"] == "note"
    assert guess(path, {"label": "kind"}).data["label"] == "kind"
    assert guess(path, {"text": ["body", "note"]}).data["text"] == ["body", "note"]
    assert guess(path, {}, "masked_lm").head == "masked_lm"


CONLL = "EU B-ORG\nrejects O\n\nGerman B-MISC\ncall O\n"


@pytest.mark.parametrize(
    ("name", "text", "head", "data"),
    [
        ("a.conll", CONLL, "token_classification", {}),
        ("a.bio", CONLL.replace("B-", "I-"), "token_classification", {"scheme": "io"}),
        ("a.conll", "dogs NOUN\nbark VERB\n", "token_classification", {"scheme": "plain"}),
        (
            "a.conllu",
            "1\tdogs\t_\tNOUN\t_\t_\t0\t_\t_\t_\n2\tbark\t_\tVERB\t_\t_\t0\t_\t_\t_\n",
            "token_classification",
            {"scheme": "plain"},
        ),
        ("a.json", '{"data": []}', "question_answering", {}),
        ("a.txt", "one text\nof two lines\n\nanother\n", "masked_lm", {}),
        ("a.txt", "one text\nanother\n", "masked_lm", {"text_unit": "line"}),
    ],
)
def test_a_format_that_holds_one_thing_tells_the_head(tmp_path, name, text, head, data):
    (tmp_path / name).write_text(text)
    found = guess(tmp_path / name, {})
    assert (found.head, found.data) == (head, data)
    assert (found.conclusions[0].rule, found.conclusions[0].values["head"]) == ("format", head)
    assert all(recipe_reasons.reason(each) for each in found.conclusions)


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["B-X", "I-X", "O"], "iob2"),
        (["I-X", "I-X", "B-X", "O", "I-Y"], "iob1"),
        (["I-X", "O", "I-Y"], "io"),
        (["B-X", "E-X", "S-Y", "O"], "iobes"),
        (["NOUN", "VERB"], "plain"),
    ],
)
def test_the_scheme_of_tags_is_inferred_from_their_letters_and_from_how_entities_begin(tags, scheme):
    assert scheme_of_sentences([tags])[0] == scheme


def test_every_head_and_every_bundled_set_is_understood():
    heads = {name: guess(bundled_files(name)["train"], {}).head for name in BUNDLED}
    assert heads == {
        "reviews": "classification",
        "topics": "classification",
        "pairs": "classification",
        "ratings": "regression",
        "entities": "token_classification",
        "questions": "question_answering",
        "manuals": "masked_lm",
    }
    assert set(heads.values()) | {"multi_label"} == set(HEAD_CONFIGS)


@pytest.mark.parametrize(
    ("rows", "given", "head", "problem", "hint"),
    [
        ([{"headline": "h", "kind": "x"}], {}, None, "no column has a usual name for the text", "--text COLUMN"),
        ([{"text": "h", "kind": "x"}], {}, None, "no column has a usual name for the label", "--label COLUMN"),
        ([{"text": "h", "label": "x"}], {"label": "lable"}, None, "there is no column 'lable'", "did you mean 'label'?"),
        ([{"text": "h", "label": "x"}], {}, "token_classification", "usual name for words and tags", "--set data.tokens=COLUMN"),
        ([{"text": "h", "label": "x"}], {}, "question_answering", "usual name for the question", "--set data.question=COLUMN"),
        ([{"text": "h", "label": f"name {i}"} for i in range(50)], {}, None, "do not look like labels", "--label COLUMN"),
        ([{"text": "h", "label": "x"}], {}, "classifier", "there is no such head", None),
    ],
)
def test_what_cannot_be_known_is_asked_for_with_the_option_to_use(tmp_path, rows, given, head, problem, hint):
    with pytest.raises(UserError) as caught:
        guess(write(tmp_path / "a.csv", rows), given, head)
    assert problem in str(caught.value)
    assert hint is None or hint in (caught.value.hint or "")
    if "usual name" in problem:
        assert ", ".join(rows[0]) in (caught.value.found or "")


def test_a_format_of_words_is_no_classification(tmp_path):
    (tmp_path / "a.conll").write_text(CONLL)
    with pytest.raises(UserError, match="only the head 'token_classification' reads this format"):
        guess(tmp_path / "a.conll", {}, "classification")


def test_a_missing_or_an_empty_file_is_reported(tmp_path):
    with pytest.raises(UserError, match="file not found"):
        guess(tmp_path / "a.csv", {})
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(UserError, match="the file is empty"):
        guess(tmp_path / "a.csv", {})


# Files of a set


def test_splits_that_lie_beside_a_training_file_are_used_if_they_have_its_columns(tmp_path):
    train = write(tmp_path / "my_train.jsonl")
    write(tmp_path / "my_dev.jsonl.gz")
    write(tmp_path / "my_test.jsonl", [{"text": "no label"}])
    assert {split: path.name for split, path in siblings(train).items()} == {
        "validation": "my_dev.jsonl.gz",
        "test": "my_test.jsonl",
    }
    data, reasons = data_values(train, *guess(train, {})[:2])
    assert data["validation"].endswith("my_dev.jsonl.gz")
    assert "test" not in data
    assert data["split"] == {"test_ratio": 0.2}
    assert because("split_unused", file="my_test.jsonl") in reasons


def test_without_a_test_file_a_part_is_cut_but_not_of_raw_text(tmp_path):
    path = write(tmp_path / "tickets.csv")
    assert data_values(path, *guess(path, {})[:2])[0]["split"] == {"test_ratio": 0.2}
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    assert "split" not in data_values(tmp_path / "a.txt", *guess(tmp_path / "a.txt", {})[:2])[0]
    assert siblings(path) == {}


def test_a_study_is_called_after_the_file_or_the_folder_of_train(tmp_path):
    (tmp_path / "my set").mkdir()
    assert study_name(tmp_path / "tickets.csv") == "tickets"
    assert study_name(tmp_path / "a b.conll.txt") == "a-b"
    assert study_name(tmp_path / "my set" / "train.jsonl.gz") == "my-set"
    assert study_name(tmp_path / f"{'ab' * 60}.csv") == "ab" * 40, "with '-recommended' it still fits"


def _csv(path, rows, header="text,label"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_a_sorted_file_is_read_to_its_end(tmp_path):
    ratings = [f"words {i},{i // 1200}" for i in range(1200)] + [f"words {i},{i / 100}" for i in range(1200, 1300)]
    assert guess(_csv(tmp_path / "ratings.csv", ratings), {}).head == "regression"
    classes = [f"words {i},class{i // 100}" for i in range(7700)]
    found = guess(_csv(tmp_path / "classes.csv", classes), {})
    assert found.head == "classification"
    assert ("names", {"column": "label", "n": 77}) in found.conclusions
    several = [f"words {i},{'xyz'[i % 3]}" for i in range(1200)] + ['words,"x,z"'] * 5
    assert guess(_csv(tmp_path / "several.csv", several), {}).head == "multi_label"


def test_the_scheme_of_tags_is_that_of_all_sentences(tmp_path):
    path = tmp_path / "train.conll"
    path.write_text("word O\n\n" * 1200 + "Rome B-LOC\n\n" * 3 + "York E-LOC\n\n" * 3)
    assert guess(path, {}).data["scheme"] == "iobes"


@pytest.mark.parametrize("header", ["Text,Label", "TEXT,LABEL", "Id,Text,Label"])
def test_usual_names_are_usual_in_any_case(tmp_path, header):
    rows = [",".join([f"words {i}", "ab"[i % 2]][-header.count(",") - 1 :]) for i in range(8)]
    rows = [f"{i},{row}" for i, row in enumerate(rows)] if header.startswith("Id") else rows
    found = guess(_csv(tmp_path / "train.csv", rows, header), {})
    assert (found.head, found.data["text"].lower(), found.data["label"].lower()) == ("classification", "text", "label")


def test_whole_numbers_are_classes_however_they_are_written(tmp_path):
    rows = [f"words {i},{i % 2}.0" for i in range(8)]
    assert guess(_csv(tmp_path / "train.csv", rows), {}).head == "classification"


def test_a_comma_within_a_name_separates_no_labels(tmp_path):
    rows = [f'words {i},"{("New York, NY", "Boston")[i % 2]}"' for i in range(8)]
    assert guess(_csv(tmp_path / "train.csv", rows), {}).head == "classification"


def test_a_separator_that_the_user_gave_is_kept(tmp_path):
    labels = ["a,b;c", "b,c", "a;c", "a,b", "c,b", "b,a", "a", "b", "c", "c,a"] * 2
    rows = "".join(f'"t {i}","{label}"\n' for i, label in enumerate(labels))
    path = tmp_path / "t.csv"
    path.write_text("text,labels\n" + rows)
    found = guess(path, {"label_separator": "|"})
    assert (found.head, found.data["label_separator"]) == ("multi_label", "|")
    assert guess(path, {"label_separator": "|"}, "classification").head == "classification"


def test_given_columns_are_written_as_the_file_writes_them(tmp_path):
    path = tmp_path / "qa.jsonl"
    answers = {"text": ["a"], "answer_start": [0]}
    path.write_text(json.dumps({"ID": "1", "Question": "q?", "Context": "a b", "Answers": answers}) + "\n")
    written = {"question": "Question", "context": "Context", "answers": "Answers"}
    for given in ({}, {"question": "question"}):
        found = guess(path, given)
        assert (found.head, found.data) == ("question_answering", written)
    table = tmp_path / "t.csv"
    table.write_text("Text,Label,toxic\n" + "a b,x,1\nc d,y,0\n" * 9)
    found = guess(table, {"text": "text", "label": "label"})
    assert (found.head, found.data) == ("classification", {"text": "Text", "label": "Label"})


def test_misspelt_entity_tags_are_not_taken_for_plain_ones(tmp_path):
    path = tmp_path / "t.conll"
    path.write_text("in O\nOslo b-LOC\n\n" * 9)
    with pytest.raises(UserError) as caught:
        guess(path, {})
    assert (caught.value.code, caught.value.found, caught.value.expected) == ("recommend.misspelt-tags", "b-LOC", "B-LOC")
    assert guess(path, {"scheme": "plain"}).data == {"scheme": "plain"}
