"""Files as they are published: without a header, in other encodings, with other delimiters and quotes, of another format."""

from __future__ import annotations

import gzip
import json
import math
import os
from decimal import Decimal
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from bertft_core.config import StudyConfig, UserError, parse_study
from bertft_core.config.data_settings import BundledData, FileData
from bertft_core.config.probe_settings import MaskedLMProbe
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.data_findings import PreparedData
from bertft_core.data.new_examples import read_inputs
from bertft_core.data.probe_texts import read_probe_texts
from bertft_core.data.quote_findings import find_quoted_texts
from bertft_core.data.readers.file_content import format_by_content
from bertft_core.data.readers.file_text import N_CHUNK
from bertft_core.data.sources import read_splits

CONLL = "Anna B-PER\nflew O\n\nBob B-PER\nstayed O\n"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def examples(path: Path, kind: str = "classification", **data: object) -> list[tuple]:
    split = read_splits(FileData.model_validate({"source": "files", "train": str(path), **data}), kind)["train"]
    return [(*example.texts, example.label) for example in split.examples]


def refused(path: Path, kind: str = "classification", **data: object) -> UserError:
    with pytest.raises(UserError) as caught:
        examples(path, kind, **data)
    error = caught.value
    assert error.code
    assert error.hint
    assert error.path == str(path)
    return error


def study(**data: object) -> StudyConfig:
    return parse_study({"name": "s", "data": {"source": "files", "train": "a.csv", **data}, "arms": {"full": {}}})


NEWER = {
    "encoding": "cp1252",
    "header": False,
    "columns": ["label", "text"],
    "delimiter": ";",
    "quoting": "none",
    "max_gib": 2.0,
    "max_rows": 10,
}


def test_defaults_of_newer_keys_are_not_in_the_digest_and_others_are():
    stored = study().data.model_dump()
    assert not NEWER.keys() & stored.keys()
    assert study(encoding="utf-8", header=True, max_rows=1_000_000, max_gib=0.5).digest == study().digest
    kept = study(**NEWER).data.model_dump(mode="json")
    assert {name: kept[name] for name in NEWER} == NEWER


@pytest.mark.parametrize(
    "data",
    [
        {"header": False},
        {"columns": ["a"]},
        {"encoding": "latin-99"},
        {"encoding": "rot13"},
        {"delimiter": ";;"},
        {"delimiter": ";", "format": "jsonl"},
    ],
)
def test_settings_that_cannot_work_are_refused(data):
    with pytest.raises(UserError) as caught:
        study(**data)
    assert caught.value.hint


# Without a header


@pytest.mark.parametrize(("ending", "mark"), [("csv", ","), ("tsv", "\t")])
def test_columns_of_a_file_without_a_header_are_named(tmp_path, ending, mark):
    path = write(tmp_path / f"train.{ending}", f"1{mark}good film\n0{mark}bad film\n")
    assert examples(path, header=False, columns=["label", "text"]) == [("good film", "1"), ("bad film", "0")]
    error = refused(path, header=False, columns=["label", "text", "more"])
    assert (error.line, error.hint) == (1, "correct data.columns or the row")


def test_a_first_row_that_looks_like_data_asks_for_a_header(tmp_path):
    error = refused(write(tmp_path / "train.csv", "1,a film that I liked a lot\n0,a bad film\n"))
    assert error.code == "data.column-missing-or-duplicate"
    assert error.hint == "no header? set data.header: false and name all columns, such as data.columns: [label, text]"


def test_a_file_of_one_row_without_a_header_has_one_example(tmp_path):
    assert examples(write(tmp_path / "a.csv", "x,a\n"), header=False, columns=["text", "label"]) == [("x", "a")]
    assert refused(write(tmp_path / "b.csv", ""), header=False, columns=["text", "label"]).code == "file.empty"


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("label,text", ["label", "text"]),
        ("Label, TEXT", ["label", "text"]),
        ("sentiment,review", ["label", "text"]),  # usual names alone are no example either
        ('"id","kind","text"', ["id", "kind", "text"]),
    ],
)
def test_a_header_is_no_example_of_a_file_that_should_have_none(tmp_path, header, columns):
    row = ",".join("x" for _ in columns)
    error = refused(
        write(tmp_path / "train.csv", f"\n{header}\n{row}\n"), header=False, columns=columns, label=columns[-2], text="text"
    )
    assert (error.code, error.line) == ("table.unexpected-header", 2)
    assert error.hint == "remove data.header and data.columns, or this row"


def test_rows_with_a_usual_name_are_examples(tmp_path):
    rows = "label,title\nscore,my own title\n"
    assert examples(write(tmp_path / "a.csv", "score,my title\n" + rows), header=False, columns=["label", "text"]) == [
        ("my title", "score"),
        ("title", "label"),
        ("my own title", "score"),
    ]


def test_a_name_given_to_two_columns_is_refused_in_the_config():
    with pytest.raises(UserError) as caught:
        study(header=False, columns=["text", "label", "text"])
    assert (caught.value.problem, caught.value.hint) == (
        "data.columns: the name 'text' occurs twice",
        "give each column a name of its own",
    )


# Column names


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_column_names_may_differ_in_case(tmp_path, name):
    path = tmp_path / name
    contents = {"a.csv": "Text,LABEL\na,x\n", "a.jsonl": '{"Text": "a", "LABEL": "x"}\n'}
    if name in contents:
        write(path, contents[name])
    else:
        parquet.write_table(pyarrow.table({"Text": ["a"], "LABEL": ["x"]}), path)
    assert examples(path) == [("a", "x")]


def test_the_exact_name_wins_and_two_alike_are_refused(tmp_path):
    assert examples(write(tmp_path / "a.csv", "Text,text,label\nb,a,x\n")) == [("a", "x")]
    assert refused(write(tmp_path / "b.csv", "Text,TEXT,label\nb,a,x\n")).hint == "did you mean 'TEXT'?"


def test_one_hot_columns_are_labels(tmp_path):
    path = write(tmp_path / "train.csv", "text,a,b,c\nx,1,0,0\ny,0,0,1.0\n".replace("1.0", "1"))
    assert examples(path, label=["a", "b", "c"]) == [("x", "a"), ("y", "c")]
    both = write(tmp_path / "both.csv", "text,a,b\nx,1,1\ny,0,0\n")
    assert examples(both, "multi_label", label=["a", "b"]) == [("x", ("a", "b")), ("y", ())]
    error = refused(both, label=["a", "b"])
    assert (error.code, error.line, error.found) == ("label.not-exactly-one", 2, "a, b")
    assert refused(write(tmp_path / "odd.csv", "text,a,b\nx,1,yes\n"), label=["a", "b"]).code == "label.not-one-hot"


# Encodings


@pytest.mark.parametrize(
    ("encoding", "text", "hint"),
    [
        ("cp1252", "Käse ist sehr gut – und “teuer”", "cp1252"),
        ("latin-1", "très déçue par le film", "latin-1"),
        ("utf-16", "Käse", "utf-16"),
        ("utf-16-le", "cheese", "utf-16-le"),
        ("utf-32", "Käse", "utf-32"),
        ("cp1251", "Фильм очень хороший и мне понравился", "cp1251"),
    ],
)
def test_an_encoding_is_named_by_the_user_and_suggested_in_the_refusal(tmp_path, encoding, text, hint):
    path = write(tmp_path / "train.csv", f"text,label\nfine,b\n{text},a\n".encode(encoding))
    error = refused(path)
    assert error.code == "file.wrong-encoding"
    assert hint in error.hint
    assert error.line == (3 if encoding in ("cp1252", "latin-1", "cp1251") else 1)
    assert examples(path, encoding=encoding) == [("fine", "b"), (text, "a")]


def test_the_line_of_a_bad_byte_is_right_beyond_the_first_piece(tmp_path):
    path = write(tmp_path / "train.csv", b"text,label\n" + (b"some text " * 100 + b",a\n") * 2_500 + b"K\xe4se,b\n")
    assert path.stat().st_size > 2 * N_CHUNK
    assert refused(path).line == 2_502


# Delimiters and quotes


@pytest.mark.parametrize(
    ("mark", "hint"),
    [("\t", "tabs: set data.format: tsv"), (";", "semicolons: set data.delimiter: ';'"), ("|", "'|': set data.delimiter: '|'")],
)
def test_the_hint_names_the_delimiter_that_is_there(tmp_path, mark, hint):
    path = write(tmp_path / "train.csv", f"text{mark}label\nIt is loud, still{mark}a\n")
    assert refused(path).hint == f"the cells seem to be separated by {hint}"
    assert examples(path, delimiter=mark) == [("It is loud, still", "a")]


def test_quotes_in_tsv_are_read_when_asked_for(tmp_path):
    path = write(tmp_path / "train.tsv", 'text\tlabel\n"the ""best"" one"\ta\n')
    assert examples(path) == [('"the ""best"" one"', "a")]
    assert examples(path, quoting="double") == [('the "best" one', "a")]
    csv = write(tmp_path / "train.csv", 'text,label\n"the,a\n')
    assert "data.quoting: none" in refused(csv).hint
    assert examples(csv, quoting="none") == [('"the', "a")]


@pytest.mark.parametrize(
    ("texts", "n"),
    [(['"a ""b"" c"', *"defghijklmnopqrstuvwxyz"], 1), (['"a"', '"b"', "c"], 2), (['"a"', *["c"] * 30], 0), (['"a" and "b"'], 0)],
)
def test_quotes_that_stay_in_the_texts_of_a_tsv_file_are_found(tmp_path, texts, n):
    content = "text\tlabel\n" + "".join(f"{text}\tx\n" for text in texts)
    assert quoted(write(tmp_path / "train.tsv", content)) == n
    assert quoted(write(tmp_path / "train.csv", content), format="tsv") == n, "it is read as TSV, whatever its name"


def test_quotes_are_not_found_where_the_study_says_what_they_mean(tmp_path):
    path = write(tmp_path / "train.tsv", 'text\tlabel\n"a"\tx\n"""b"" c"\tx\n')
    assert [quoted(path), quoted(path, quoting="double"), quoted(path, quoting="none")] == [2, 0, 0]
    assert quoted(write(tmp_path / "notes.tsv.csv", '"text",label\n"""a""",x\n')) == 0


def quoted(path: Path, **data: object) -> int:
    settings = FileData.model_validate({"source": "files", "train": str(path), **data})
    found = find_quoted_texts(PreparedData(read_splits(settings), {}, (), 128, settings=settings))
    return sum(finding.count for finding in found)


# Another format than the ending says


@pytest.mark.parametrize(
    ("content", "kind", "seems"),
    [
        (CONLL, "token_classification", "conll"),
        (CONLL.replace(" ", "\t"), "token_classification", "conll"),
        ("text\tlabel\na b\tx\nc d\ty\n", "classification", "tsv"),
        ("text,label\na b,x\nc d,y\n", "classification", "csv"),
        ('{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n', "classification", "jsonl"),
    ],
)
def test_a_txt_file_is_recognised_by_its_content(tmp_path, content, kind, seems):
    path = write(tmp_path / "train.txt", content)
    error = refused(path, kind)
    assert (error.code, error.hint) == ("data.format-of-head", f"set data.format: {seems}")
    assert seems in error.found
    assert seems in error.expected
    assert len(examples(path, kind, format=seems)) == 2


def test_plain_text_is_not_taken_for_a_table(tmp_path):
    path = write(tmp_path / "train.txt", "The pump, which is old, stops.\nClean it, then start it, please.\n\nDone.\n")
    assert refused(path).hint.startswith("set head: masked_lm")


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n", "git lfs pull"),
        ("<!DOCTYPE html>\n<html></html>\n", "web page"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\xff\xfe", "saved as CSV"),
        (b"PAR1\x15\x04\x15\xb2", "rename it to end in .parquet"),
        (b"\x80\x04\x95\x0b", "write its content as CSV"),
        (b"%PDF-1.4\n%\xe2\xe3", "export its text"),
        (b"\x80 5,a\n", "likely cp1252"),
    ],
)
def test_a_file_that_is_something_else_is_named(tmp_path, content, word):
    assert word in refused(write(tmp_path / "train.csv", content)).hint


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-7", "punycode", "cp037", "cp500", "ascii"])
def test_a_file_in_utf8_is_told_so_whatever_encoding_the_study_names(tmp_path, encoding):
    rows = "".join(f"a café + {i},{'ab'[i % 2]}\n" for i in range(9))
    error = refused(write(tmp_path / "train.csv", "text,label\n" + rows), encoding=encoding)
    assert (error.code, error.hint) == ("file.wrong-encoding", "the file seems to be in UTF-8: remove data.encoding")
    cut = write(tmp_path / "cut.csv", "text,label\nслово,a".encode("utf-16-le") + b"b")
    assert "UTF-8" not in refused(cut, encoding="utf-16-le").hint.split(" or save")[0]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32", "cp037", "cp1252", "shift_jis", "gb18030"])
def test_a_file_in_the_named_encoding_is_read(tmp_path, encoding):
    assert examples(write(tmp_path / "a.csv", "text,label\nfine,x\n".encode(encoding)), encoding=encoding) == [("fine", "x")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp037", "cp1252"])
def test_a_workbook_is_one_in_every_encoding(tmp_path, encoding):
    error = refused(write(tmp_path / "train.csv", b"PK\x03\x04\x14\x00\x06\x00\x08\x00\xff\xfe"), encoding=encoding)
    assert "a workbook (.xlsx, .ods) has to be saved as CSV" in error.hint


UNIVERSAL = "".join("1\tHow\thow\tADV\t_\t_\t0\troot\t_\t_\n2\tso\tso\tNOUN\t_\t_\t1\tdep\t_\t_\n\n" for _ in range(9))


def test_the_hint_about_parts_of_speech_names_the_keys_that_they_need(tmp_path):
    error = refused(write(tmp_path / "en.conllu", UNIVERSAL), "token_classification")
    assert error.hint.startswith("set data.scheme: plain and metric: f1_macro")
    keys = {"source": "files", "train": str(tmp_path / "en.conllu"), "scheme": "plain"}
    parse_study({"name": "s", "head": "token_classification", "metric": "f1_macro", "data": keys, "arms": {"full": {}}})
    assert len(examples(tmp_path / "en.conllu", "token_classification", scheme="plain")) == 9


def test_names_in_a_column_of_numbers_ask_for_the_other_head(tmp_path):
    error = refused(write(tmp_path / "train.csv", "text,label\na,good\nb,bad\n"), "regression")
    assert error.hint.endswith("for names instead of numbers, set head: classification")


@pytest.mark.parametrize(
    ("name", "content", "keys"),
    [
        ("in.conll", "fine O\n", {"tokens": "5"}),
        ("in.conll", "fine O\n", {"tokens": "word"}),
        ("in.conllu", "1\tfine" + "\t_" * 8 + "\n", {"tokens": "wrd"}),
        ("in.conllu", "1\tfine\n", {}),
    ],
)
def test_examples_to_predict_have_no_keys_to_set(tmp_path, name, content, keys):
    data = FileData(source="files", train=f"train{Path(name).suffix}", **keys)
    with pytest.raises(UserError) as caught:
        read_inputs(write(tmp_path / name, content), data, "token_classification")
    assert "data." not in caught.value.hint


PAGE = "<!DOCTYPE html>\n<html><head>\n</head></html>\n"
ROWS = [{"text": f"a film {i}", "label": "ab"[i % 2]} for i in range(9)]
ONE_LIST = "the file is one JSON list: write each of its objects on a line of its own, and let the file end in .jsonl"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.json", "question_answering"),
        ("a.json", "classification"),
        ("a.jsonl", "classification"),
        ("a.conll", "token_classification"),
        ("a.conllu", "token_classification"),
        ("a.tsv", "classification"),
        ("a.txt", "classification"),
        ("a.parquet", "classification"),
    ],
)
def test_a_web_page_is_named_whatever_format_it_should_have(tmp_path, name, kind):
    assert "download the file itself" in refused(write(tmp_path / name, PAGE), kind).hint


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.json", "question_answering"), ("a.json", "classification"), ("a.jsonl", "classification"), ("a.csv", "classification")],
)
def test_a_table_as_one_json_list_is_named(tmp_path, name, kind, indent):
    error = refused(write(tmp_path / name, json.dumps(ROWS, indent=indent)), kind)
    assert error.hint.removeprefix("name their keys in data, if they are questions; else ") == ONE_LIST


def test_a_format_is_named_where_the_ending_is_unknown(tmp_path):
    error = refused(write(tmp_path / "train.annotated", CONLL), "token_classification")
    assert (error.code, error.hint) == ("data.unknown-format", "rename the file or set data.format: conll")
    assert refused(write(tmp_path / "train.unknown", "a text\n")).hint == "rename the file or set data.format"


# Hints fit the head and the file


@pytest.mark.parametrize(
    ("kind", "content", "hint"),
    [
        ("masked_lm", "premise,hypothesis\na,b\n", "set data.text: premise"),
        ("masked_lm", "premise,hypothesis,review\na,b,c\n", "set data.text: review"),
        ("classification", "premise,hypothesis\na,b\n", "set data.text: [premise, hypothesis]"),
        ("classification", "text,toxic,rude\na,0,1\nb,1,0\n", "set data.label: [toxic, rude]"),
        ("multi_label", "text,toxic,rude\na,0,1\nb,1,0\n", "set data.label: [toxic, rude]"),
        ("regression", "text,toxic,rude\na,0,1\nb,1,0\n", "set data.label to the column of the numbers"),
        ("classification", CONLL, "the content looks like conll: set head: token_classification and data.format: conll"),
        ("token_classification", CONLL, "the content looks like conll: set data.format: conll"),
        ("classification", '{"text": "a"}\n' * 2, "the content looks like jsonl: set data.format: jsonl"),
    ],
)
def test_hints_offer_only_what_the_head_reads(tmp_path, kind, content, hint):
    assert refused(write(tmp_path / "train.csv", content), kind).hint == hint


def test_hints_about_pairs_on_lines_of_json_fit_the_head(tmp_path):
    path = write(tmp_path / "train.jsonl", '{"premise": "a", "hypothesis": "b"}\n')
    assert refused(path, "masked_lm").hint == "set data.text: premise"


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("in.csv", "text\ncaf\u00e9\n".encode("latin-1"), "save the file as UTF-8 (for example with iconv)"),
        ("in.csv", "review\na\n", "correct the names of columns in the file"),
        ("in.jsonl", '{"review": "a"}\n', "correct the names of columns in the file"),
        ("in.csv", "text;n\na;1\n", "the cells seem to be separated by semicolons: separate them by commas"),
        ("in.csv", CONLL, "the content looks like conll: convert it to a table"),
        (
            "in.csv",
            "a man plays the guitar\na man sleeps all day\n",
            "no header? add a first line that names the columns, such as text",
        ),
        ("in.tsv", "text\ta\nb\n", "TSV cells cannot contain tabs or line ends; use CSV or JSONL"),
        ("in.csv", 'text\n"a" b\n', "put cells with commas or line ends in double quotes"),
    ],
)
@pytest.mark.parametrize("source", [{"source": "bundled", "name": "reviews"}, {"source": "files", "train": "train.csv"}])
def test_hints_about_new_examples_name_no_key_of_the_study(tmp_path, source, name, content, hint):
    data = study(**source).data if source["source"] == "files" else BundledData.model_validate(source)
    with pytest.raises(UserError) as caught:
        read_inputs(write(tmp_path / name, content), data, "classification")
    assert caught.value.hint == hint


def test_hints_about_the_texts_of_probes_name_no_key_of_the_data(tmp_path):
    path = write(tmp_path / "probe.txt", "caf\u00e9\n".encode("latin-1"))
    with pytest.raises(UserError) as caught:
        read_probe_texts(MaskedLMProbe(text=str(path)))
    assert (caught.value.code, caught.value.hint) == ("file.wrong-encoding", "save the file as UTF-8 (for example with iconv)")


def test_a_json_list_named_jsonl_is_explained(tmp_path):
    error = refused(write(tmp_path / "train.jsonl", '[{"text": "a", "label": "x"},\n{"text": "b", "label": "y"}]\n'))
    assert (error.code, error.line) == ("jsonl.not-an-object", 1)
    assert "one JSON list" in error.hint


# Cells


def test_whole_floats_and_decimals_are_whole_numbers(tmp_path):
    rows = "".join(f'{{"text": "t", "label": {label}}}\n' for label in ("1.0", "0.0", "-2.0", "1"))
    assert [label for _, label in examples(write(tmp_path / "a.jsonl", rows))] == ["1", "0", "-2", "1"]
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"text": ["a", "b"], "label": [Decimal("1.50"), Decimal("2.00")]}), path)
    assert [label for _, label in examples(path, "regression")] == [1.5, 2.0]
    assert refused(path).hint == "to learn numbers, set head: regression"


@pytest.mark.parametrize(
    "text", ["\u200b\u200b", "\x01\x02", "\ufeff", "\u2060\u00ad \u3164", "\u2800", "\ufe0f\u200d", "\u00a0"]
)
def test_a_text_without_a_visible_character_is_empty(tmp_path, text):
    error = refused(write(tmp_path / "train.csv", f"text,label\nfine,a\n{text},b\n"))
    assert (error.line, error.problem) == (3, "the text in column 'text' is empty")
    assert error.found.isascii()


@pytest.mark.parametrize("text", ["\u200bx", ".", "😀", "\u0301", "\ue000", "語"])
def test_a_visible_character_makes_a_text(tmp_path, text):
    assert examples(write(tmp_path / "train.csv", f"text,label\n{text},b\n")) == [(text, "b")]


@pytest.mark.parametrize("cell", ["['a', 'b']", '["a", "b"]', "['a' 'b']", "[0, 1]", "[]"])
def test_a_list_written_as_text_is_refused(tmp_path, cell):
    path = write(tmp_path / "train.tsv", f"tokens\ttags\ttext\tlabel\n{cell}\tO O\tx\t{cell}\n")
    for kind in ("token_classification", "multi_label"):
        assert refused(path, kind).code == "data.list-written-as-text"


def test_brackets_that_are_words_are_read(tmp_path):
    path = write(tmp_path / "train.tsv", "tokens\ttags\n[ a ]\tO O O\n[a b]\tO O\n")
    assert [tokens[:-1] for tokens in examples(path, "token_classification")] == [("[", "a", "]"), ("[a", "b]")]


def test_a_table_with_one_word_per_row_is_refused_with_how_to_group_it(tmp_path):
    header, rows = "sentence,tokens,tags\n", [f"{k // 3},word{k},O\n" for k in range(12)]
    path = write(tmp_path / "train.csv", header + "".join(rows))
    data = FileData.model_validate({"source": "files", "train": str(path)})
    with pytest.raises(UserError) as caught:
        ALIGNMENTS["token_classification"].agree(read_splits(data, "token_classification"), data)
    assert (caught.value.code, caught.value.line) == ("words.one-per-row", 2)
    assert "data.sentence" in caught.value.hint
    assert "data.format: conll" in caught.value.hint


def test_rows_of_one_word_are_put_together_by_their_sentence(tmp_path):
    rows = "Sentence #,Word,Tag\nSentence: 1,Anna,B-PER\n,flew,O\nSentence: 2,Bob,B-PER\nSentence: 2,stayed,O\n"
    path = write(tmp_path / "train.csv", rows)
    asked = {"sentence": "sentence #", "tokens": "word", "tags": "tag"}
    assert examples(path, "token_classification", **asked) == [
        ("Anna", "flew", ("B-PER", "O")),
        ("Bob", "stayed", ("B-PER", "O")),
    ]
    data = FileData.model_validate({"source": "files", "train": str(path), **asked})
    assert [e.lines for e in read_splits(data, "token_classification")["train"].examples] == [(2, 3), (4, 5)]
    rows = '{"word": "a", "sentence #": 0}\n{"word": "b", "sentence #": 0}\n'
    new = read_inputs(write(tmp_path / "new.jsonl", rows), data, "token_classification")
    assert [e.texts for e in new.examples] == [("a", "b")]


def test_nan_in_the_column_of_sentences_is_an_empty_cell(tmp_path):
    """pandas writes it beside numbers, where the number stands in the first row of a sentence only."""
    numbers = [1.0, math.nan, math.nan, 2.0, math.nan]
    path = tmp_path / "train.parquet"
    words = {"tokens": list("abcde"), "tags": ["O"] * 5}
    parquet.write_table(pyarrow.table(words | {"n": pyarrow.array(numbers, from_pandas=False)}), path)
    data = FileData.model_validate({"source": "files", "train": str(path), "sentence": "n"})
    assert [e.texts for e in read_splits(data, "token_classification")["train"].examples] == [("a", "b", "c"), ("d", "e")]
    assert [e.texts for e in read_inputs(path, data, "token_classification").examples] == [("a", "b", "c"), ("d", "e")]


@pytest.mark.parametrize(
    ("rows", "line", "code"),
    [
        ("1,a,O\n2,b,O\n1,c,O\n", 4, "words.sentence-apart"),
        (",a,O\n", 2, "words.no-sentence"),
        ("1,a,O\n1,,O\n", 2, "words.empty-word"),
    ],
)
def test_rows_that_make_no_sentences_are_refused(tmp_path, rows, line, code):
    path = write(tmp_path / "train.csv", "n,tokens,tags\n" + rows)
    error = refused(path, "token_classification", sentence="n")
    assert (error.line, error.code) == (line, code)


def test_a_format_with_sentences_of_its_own_needs_no_column_of_them(tmp_path):
    error = refused(write(tmp_path / "train.conll", CONLL), "token_classification", sentence="n")
    assert error.code == "data.sentence-without-table"


def test_only_the_head_that_reads_words_has_sentences():
    assert "sentence" not in study().data.model_dump()
    with pytest.raises(UserError, match="sentence"):
        study(sentence="n")


def test_a_line_of_no_break_spaces_ends_a_sentence(tmp_path):
    path = write(tmp_path / "train.conll", "EU B-ORG\nx O\n\u00a0\nPeter B-PER\ny O\n\n")
    assert [tokens[:-1] for tokens in examples(path, "token_classification")] == [("EU", "x"), ("Peter", "y")]


def test_parquet_with_bytes_that_are_not_utf8_is_refused_with_its_row(tmp_path):
    texts = pyarrow.array([b"fine", b"K\xe4se"], pyarrow.binary()).view(pyarrow.string())
    path = tmp_path / "train.parquet"
    parquet.write_table(pyarrow.table({"text": texts, "label": ["a", "b"]}), path)
    error = refused(path)
    assert (error.code, error.line) == ("file.wrong-encoding", 2)
    assert "0xe4" in error.found


# Sizes and special files


def test_a_sparse_file_is_refused_by_its_size_before_it_is_read(tmp_path):
    path = tmp_path / "train.csv"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)
    error = refused(path)
    assert (error.code, error.found, error.expected) == ("file.too-large", "10.0 GiB", "at most 512.0 MiB (data.max_gib)")


def test_a_compressed_file_is_read_no_further_than_the_limit(tmp_path):
    path = write(tmp_path / "train.csv.gz", gzip.compress(b"text,label\n" + (b"good " * 1000 + b",a\n") * 400))
    error = refused(path, max_gib=0.001)
    assert error.code == "file.too-large"
    assert error.found.startswith("more than 1.0 MiB in a file of ")
    assert "raise data.max_gib" in error.hint


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.txt", "a.conll"])
def test_a_file_with_too_many_rows_is_refused_at_the_first_too_many(tmp_path, name):
    contents = {"a.csv": "text,label\n" + "t,a\n" * 5, "a.jsonl": '{"text": "t", "label": "a"}\n' * 5, "a.txt": "a\n\n" * 5}
    path, kind = tmp_path / name, {"a.txt": "masked_lm", "a.conll": "token_classification"}.get(name, "classification")
    if name == "a.parquet":
        parquet.write_table(pyarrow.table({"text": ["t"] * 5, "label": ["a"] * 5}), path)
    else:
        write(path, contents.get(name, "a O\n\n" * 5))
    error = refused(path, kind, max_rows=4)
    assert (error.code, error.expected) == ("file.too-many-rows", "at most 4 rows (data.max_rows)")
    assert error.found.startswith("more than 4 rows in ")
    assert len(examples(path, kind, max_rows=5)) == 5


def test_json_is_limited_to_an_eighth(tmp_path):
    content = '[{"id": "1", "question": "Who?", "context": "a", "answers": [{"text": "a", "answer_start": 0}]}]' + " " * 2000
    path = write(tmp_path / "train.json", content)
    assert len(examples(path, "question_answering")) == 1
    assert "read as a whole" in refused(path, "question_answering", max_gib=2 * 4096 / 2**30).expected


def test_a_well_compressed_parquet_file_is_read_no_further_than_the_limit(tmp_path):
    path = tmp_path / "train.parquet"
    parquet.write_table(pyarrow.table({"text": ["x" * 10_000] * 3000, "label": ["a"] * 3000}), path)
    assert path.stat().st_size < 2**20
    error = refused(path, max_gib=0.01)
    assert error.code == "file.too-large"
    assert error.found.startswith("more than 10.2 MiB after ")


def test_a_pipe_and_a_device_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "train.csv")
    error = refused(tmp_path / "train.csv")
    assert (error.code, error.problem) == ("file.is-special", "this is a pipe, not a file")
    assert refused(Path("/dev/zero"), format="csv").found == "a device"


# What begins with a bracket


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ('{"text": "a", "label": "x"}\n', "jsonl"),
        ('{"data": [{"paragraphs": []}]}\n', "squad"),
        ('{"version": "1.1", "data": []}\n', "squad"),
        ('{\n  "data": [\n  ]\n}\n', "squad"),
        ('[\n  {"context": "a"}\n]\n', "squad"),
        ('[{"context": "a"}]\n', "squad"),
        ("[Scene: a street]\nHe went home.\nShe did not.\n", None),
        ("{sigh}\nHe went home.\n", None),
        ("[Scene: a street]\n", None),
        ("[id],text,label\n1,a b,x\n2,c d,y\n", "csv"),
        ("", None),
    ],
)
def test_a_bracket_alone_makes_no_json(tmp_path, content, format):
    assert format_by_content(write(tmp_path / "file.txt", content)) == format


# Keys without a use


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("train.jsonl", '{"text": "a", "label": "x"}\n', {"delimiter": ";"}),
        ("train.jsonl", '{"text": "a", "label": "x"}\n', {"quoting": "none"}),
        ("train.jsonl", '{"text": "a", "label": "x"}\n', {"header": False, "columns": ["text", "label"]}),
        ("train.parquet", None, {"encoding": "cp1252"}),
    ],
)
def test_a_key_that_no_file_has_a_use_for_is_refused_by_the_ending_too(tmp_path, name, content, key):
    path = tmp_path / name
    if content is None:
        parquet.write_table(pyarrow.table({"text": ["a"], "label": ["x"]}), path)
    else:
        write(path, content)
    error = refused(path, **key)
    assert error.code == "data.key-without-use"
    assert f"data.{next(iter(key))}" in error.problem
    assert "by the ending" in str(error.found)
    assert examples(path)


def test_a_key_that_one_of_the_files_has_a_use_for_is_kept(tmp_path):
    path = write(tmp_path / "train.csv", "text;label\na;x\n")
    test = write(tmp_path / "test.jsonl", '{"text": "b", "label": "x"}\n')
    assert examples(path, delimiter=";", test=str(test)) == [("a", "x")]


def test_where_a_delimiter_is_given_the_hint_is_another_one(tmp_path):
    path = write(tmp_path / "train.csv", "text,label\na b,x\n")
    assert refused(path, delimiter=";").hint == "the cells seem to be separated by commas: set data.delimiter: ','"
    assert examples(path, delimiter=",") == [("a b", "x")]
    tabs = write(tmp_path / "tabs.csv", "text\tlabel\na b\tx\n")
    assert refused(tabs, delimiter=";").hint == 'the cells seem to be separated by tabs: set data.delimiter: "\\t"'
    assert refused(tabs).hint == "the cells seem to be separated by tabs: set data.format: tsv"
