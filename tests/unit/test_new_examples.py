"""Inputs without labels are read in every format of their study; whatever is wrong with them is reported with file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from bertft_core.config import UserError
from bertft_core.config.data_settings import FileData
from bertft_core.config.head_settings import HEAD_CONFIGS
from bertft_core.data.new_examples import Inputs, formats_of, read_inputs

TEXT_HEADS = ("classification", "multi_label", "regression", "masked_lm")
WORDS = [["The", "film"], ["bad", "#", "food"]]
QUESTIONS = [("Who?", "It was Ann."), ("When, then?", "In May.")]


def data_of(**settings: Any) -> FileData:
    return FileData(source="files", train="train.jsonl", **settings)


def texts_of(inputs: Inputs) -> list[tuple[str, ...]]:
    assert [example.label for example in inputs.examples] == [None] * len(inputs.examples)
    return [example.texts for example in inputs.examples]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows as the ending says."""
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path
    if name.endswith(".jsonl"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        separator = "," if name.endswith(".csv") else "\t"
        quoted = [[f'"{cell}"' if separator in str(cell) else str(cell) for cell in row.values()] for row in rows]
        text = "".join(separator.join(line) + "\n" for line in [list(rows[0]), *quoted])
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


TABLES = ("new.csv", "new.tsv", "new.jsonl", "new.parquet", "new.csv.gz", "new.jsonl.gz")


@pytest.mark.parametrize("kind", TEXT_HEADS)
@pytest.mark.parametrize("name", TABLES)
def test_texts_are_read_without_labels_and_with_them_alike(tmp_path, kind, name):
    bare = [{"message": "fine, thanks"}, {"message": "NA"}]
    labelled = [row | {"label": "whatever", "id": f"n{i}"} for i, row in enumerate(bare)]
    data = data_of(text="message")
    first = read_inputs(write_rows(tmp_path / name, bare), data, kind)
    second = read_inputs(write_rows(tmp_path / f"other-{name}", labelled), data, kind)
    assert texts_of(first) == texts_of(second) == [("fine, thanks",), ("NA",)]
    assert first.ids == (None, None)
    assert second.ids == ("n0", "n1")
    first_line = 2 if ".csv" in name or ".tsv" in name else 1
    assert [example.line for example in first.examples] == [first_line, first_line + 1]


@pytest.mark.parametrize("name", TABLES)
def test_pairs_are_read_in_the_order_of_the_study(tmp_path, name):
    rows = [{"b": "the second", "a": "the first", "label": "x"}]
    assert texts_of(read_inputs(write_rows(tmp_path / name, rows), data_of(text=("a", "b")), "classification")) == [
        ("the first", "the second")
    ]


@pytest.mark.parametrize("kind", TEXT_HEADS)
@pytest.mark.parametrize("name", ["new.txt", "new.txt.gz"])
def test_plain_text_is_one_input_a_line_whatever_the_unit_of_training(tmp_path, kind, name):
    text = '\ufefffirst, "line"\r\n\r\n  third\u2028line \r\n'.encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    inputs = read_inputs(tmp_path / name, data_of(text="message", text_unit="document"), kind)
    assert texts_of(inputs) == [('first, "line"',), ("  third\u2028line ",)]
    assert [example.line for example in inputs.examples] == [1, 3]


CONLL = {
    "words alone": "The\nfilm\n\nbad\n#\nfood\n",
    "words and tags": "The O\nfilm B-X\n\nbad O\n# O\nfood I-X\n",
    "tabs": "The\tDT\tO\nfilm\tNN\tnonsense\n\nbad\tJJ\tO\n#\t.\tO\nfood\tNN\tO\n",
    "a document": "-DOCSTART- -X- O\n\nThe x O\nfilm x O\n\nbad x O\n# x O\nfood x O\n",
}


@pytest.mark.parametrize("form", CONLL)
@pytest.mark.parametrize("name", ["new.conll", "new.bio", "new.conll.gz"])
def test_conll_is_read_with_words_alone_or_with_tags(tmp_path, form, name):
    text = CONLL[form].encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    inputs = read_inputs(tmp_path / name, data_of(), "token_classification")
    assert texts_of(inputs) == [tuple(words) for words in WORDS]
    first = 3 if form == "a document" else 1
    assert [example.lines for example in inputs.examples] == [(first, first + 1), (first + 3, first + 4, first + 5)]


def test_in_files_of_several_columns_the_words_stand_where_those_of_the_study_do(tmp_path):
    (tmp_path / "new.conll").write_text("1 The\n2 film\n")
    data = FileData(source="files", train="train.conll", tokens="1", tags="3")
    assert texts_of(read_inputs(tmp_path / "new.conll", data, "token_classification")) == [("The", "film")]
    (tmp_path / "new.conll").write_text("The\nfilm\n")
    data = FileData(source="files", train="train.conll", tokens="1", tags="3")
    assert texts_of(read_inputs(tmp_path / "new.conll", data, "token_classification")) == [("The", "film")]


def test_conllu_is_read_whatever_stands_in_the_tags(tmp_path):
    lines = ["# text = The film", "1\tThe\tthe\t_\t_\t_\t_\t_\t_\t_", "2\tfilm\tfilm\tNOUN\t_\t_\t_\t_\t_\t_"]
    (tmp_path / "new.conllu").write_text("\n".join(lines) + "\n")
    inputs = read_inputs(tmp_path / "new.conllu", data_of(tags="upos"), "token_classification")
    assert texts_of(inputs) == [("The", "film")]


@pytest.mark.parametrize("name", ["new.jsonl", "new.parquet", "new.jsonl.gz"])
def test_lists_of_words_are_read_from_tables(tmp_path, name):
    rows = [{"tokens": words, "id": i} for i, words in enumerate(WORDS)]
    inputs = read_inputs(write_rows(tmp_path / name, rows), data_of(), "token_classification")
    assert texts_of(inputs) == [tuple(words) for words in WORDS]
    assert inputs.ids == (0, 1)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("with_ids", [False, True])
def test_questions_are_read_without_answers(tmp_path, name, with_ids):
    rows = [{"question": q, "context": c} | ({"id": f"q{i}"} if with_ids else {}) for i, (q, c) in enumerate(QUESTIONS)]
    inputs = read_inputs(write_rows(tmp_path / name, rows), data_of(), "question_answering")
    assert texts_of(inputs) == QUESTIONS
    assert inputs.ids == (("q0", "q1") if with_ids else (None, None))


SQUAD = {
    "nested without answers": {
        "data": [{"paragraphs": [{"context": c, "qas": [{"question": q, "id": f"q{i}"}]} for i, (q, c) in enumerate(QUESTIONS)]}]
    },
    "nested with wrong answers": {
        "data": [
            {"paragraphs": [{"context": c, "qas": [{"question": q, "id": "q", "answers": "?", "is_impossible": 3}]}]}
            for q, c in QUESTIONS
        ]
    },
    "flat without ids": [{"question": q, "context": c} for q, c in QUESTIONS],
}


@pytest.mark.parametrize("form", SQUAD)
@pytest.mark.parametrize("name", ["new.json", "new.json.gz"])
def test_squad_files_are_read_whatever_they_say_of_answers(tmp_path, form, name):
    text = json.dumps(SQUAD[form]).encode()
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    inputs = read_inputs(tmp_path / name, data_of(), "question_answering")
    assert texts_of(inputs) == QUESTIONS
    assert inputs.ids == {"nested without answers": ("q0", "q1"), "nested with wrong answers": ("q", "q")}.get(form, (None, None))


def test_the_column_of_ids_is_the_studys(tmp_path):
    rows = [{"question": "Who?", "context": "Ann.", "key": 7, "id": "other"}]
    path = write_rows(tmp_path / "new.jsonl", rows)
    assert read_inputs(path, data_of(id="key"), "question_answering").ids == (7,)
    assert read_inputs(path, data_of(id=None), "question_answering").ids == ("other",)


# Which format


def test_every_head_has_formats_and_only_heads_of_one_text_read_lines():
    for kind in HEAD_CONFIGS:
        formats = formats_of(data_of(), kind)
        assert {"csv", "tsv", "jsonl", "parquet"} < set(formats)
        assert ("text" in formats) == (kind in TEXT_HEADS)
    assert "text" not in formats_of(data_of(text=("a", "b")), "classification")


def test_a_format_that_is_named_comes_before_the_studys_and_that_before_the_ending(tmp_path):
    (tmp_path / "new.txt").write_text('{"text": "good"}\n')
    assert texts_of(read_inputs(tmp_path / "new.txt", data_of(), "classification", "jsonl")) == [("good",)]
    assert texts_of(read_inputs(tmp_path / "new.txt", data_of(), "classification")) == [('{"text": "good"}',)]
    own = FileData(source="files", train="train.txt", format="jsonl")
    assert texts_of(read_inputs(tmp_path / "new.txt", own, "classification")) == [("good",)]
    assert texts_of(read_inputs(tmp_path / "new.txt", own, "classification", "text")) == [('{"text": "good"}',)]
    (tmp_path / "new.csv").write_text("text\ngood\n")
    assert texts_of(read_inputs(tmp_path / "new.csv", own, "classification")) == [("good",)]


# What is wrong

WRONG: dict[str, tuple[str, str, str | bytes, int | None, str]] = {
    "no column": ("classification", "new.csv", "mesage\nhello\n", 1, "there is no column 'text'"),
    "too many cells": ("classification", "new.csv", "text,n\ngood,1\nbad,2,3\n", 3, "too many cells"),
    "an empty text": ("classification", "new.tsv", "text\tid\n \t7\n", 2, "is empty"),
    "JSON": ("regression", "new.jsonl", '{"text": "good"}\n{"text": \n', 2, "JSON"),
    "no object": ("multi_label", "new.jsonl", '{"text": "good"}\n["bad"]\n', 2, "not a JSON object"),
    "a number for a text": ("classification", "new.jsonl", '{"text": 7}\n', 1, "not a text"),
    "an odd id": ("classification", "new.jsonl", '{"text": "a", "id": 1}\n{"text": "b", "id": [1]}\n', 2, "neither a text nor"),
    "a true id": ("classification", "new.jsonl", '{"text": "b", "id": true}\n', 1, "neither a text nor"),
    "an odd id of a question": (
        "question_answering",
        "new.jsonl",
        '{"question": "Who?", "context": "Ann", "id": 1.5}\n',
        1,
        "neither a text nor",
    ),
    "two ids": ("classification", "new.csv", "text,id,id\na,1,2\n", 1, "duplicate column 'id'"),
    "no UTF-8": ("classification", "new.txt", b"good\nbad \xff\n", 2, "not UTF-8"),
    "half a character": ("classification", "new.jsonl", '{"text": "a \\ud83d"}\n', 1, "not a text"),
    "no gzip": ("classification", "new.txt.gz", b"good\n", None, "not a gzip file"),
    "an empty file": ("classification", "new.jsonl", "\n", 1, "no examples"),
    "an empty text file": ("masked_lm", "new.txt", " \n", 1, "the file is empty"),
    "no Parquet": ("classification", "new.parquet", b"PAR1", None, "Parquet file cannot be read"),
    "too few columns": ("token_classification", "new.conll", "The O\nfilm\n", 2, "only one column"),
    "an empty word": ("token_classification", "new.conll", "The\tO\n\tO\n", 2, "the word is empty"),
    "no words in a CSV cell": ("token_classification", "new.csv", "id,tokens\n1, \n", 2, "there are no words"),
    "no words": ("token_classification", "new.jsonl", '{"tokens": ["a"]}\n{"tokens": []}\n', 2, "there are no words"),
    "CoNLL-U out of order": ("token_classification", "new.conllu", "2\ta\t_\t_\t_\t_\t_\t_\t_\t_\n", 1, "out of order"),
    "no question": ("question_answering", "new.jsonl", '{"question": "", "context": "Ann"}\n', 1, "is empty"),
    "no context": ("question_answering", "new.json", '[\n{"question": "Who?"}]', 2, "the context of the question is missing"),
    "no questions": (
        "question_answering",
        "new.json",
        '{"data": [{"paragraphs": [{"context": "x"}]}]}',
        1,
        "not a list of objects",
    ),
    "broken JSON": ("question_answering", "new.json", '[\n{"question": }]', 2, "JSON"),
    "another head's format": ("classification", "new.conll", "The O\n", None, "cannot read this file format"),
    "lines for a tagger": ("token_classification", "new.txt", "The film\n", None, "cannot read this file format"),
    "an unknown ending": ("classification", "new.docx", "The film\n", None, "unknown file format"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_malformed_input_is_refused_with_file_and_line(tmp_path, name):
    kind, file, content, line, message = WRONG[name]
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message) as caught:
        read_inputs(path, data_of(), kind)
    assert (caught.value.path, caught.value.line) == (str(path), line)


def test_a_missing_file_suggests_the_nearest(tmp_path):
    (tmp_path / "tickets.csv").write_text("text\nhello\n")
    with pytest.raises(UserError, match=r"did you mean 'tickets.csv'\?"):
        read_inputs(tmp_path / "ticket.csv", data_of(), "classification")


def test_a_format_that_nobody_knows_is_refused(tmp_path):
    (tmp_path / "new.csv").write_text("text\nhello\n")
    with pytest.raises(UserError, match="give --format"):
        read_inputs(tmp_path / "new.csv", data_of(), "classification", "xml")


def test_the_ending_is_what_stands_before_gz(tmp_path):
    """Only a file with the training file's own ending has the study's format."""
    data = FileData(source="files", train="train.csv.gz", format="tsv")
    content = {"in.csv": "text\nfine\n", "in.csv.gz": "text\nfine\n", "in.jsonl.gz": '{"text": "fine"}\n', "in.txt.gz": "fine\n"}
    for name, text in content.items():
        (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        assert texts_of(read_inputs(tmp_path / name, data, "classification")) == [("fine",)]


@pytest.mark.parametrize("name", ["in.conll", "in.conllu"])
def test_names_of_a_tables_columns_mean_nothing_in_a_file_of_sentences(tmp_path, name):
    rows = {"in.conll": "fine O\n", "in.conllu": "1\tfine" + "\t_" * 8 + "\n"}
    (tmp_path / name).write_text(rows[name])
    data = data_of(tokens="words", tags="ner")
    assert texts_of(read_inputs(tmp_path / name, data, "token_classification")) == [("fine",)]


@pytest.mark.parametrize("rows", ["fine\nbad food\n", "x,fine\ny,bad food\n"])
def test_a_file_without_a_header_may_lack_the_column_of_labels(tmp_path, rows):
    (tmp_path / "new.csv").write_text(rows)
    data = FileData(source="files", train="train.csv", header=False, columns=("Label", "text"))
    assert texts_of(read_inputs(tmp_path / "new.csv", data, "classification")) == [("fine",), ("bad food",)]


def test_other_numbers_of_columns_are_refused_as_before(tmp_path):
    (tmp_path / "new.csv").write_text("1,x,fine\n")
    data = FileData(source="files", train="train.csv", header=False, columns=("label", "text"))
    with pytest.raises(UserError, match="too many cells"):
        read_inputs(tmp_path / "new.csv", data, "classification")
