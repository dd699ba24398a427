"""Plain text by line, paragraph or file, and every format compressed."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from bertft_core.config import UserError
from bertft_core.data.readers import ENDINGS, READERS, format_of, read_text, reader_of
from bertft_core.data.readers.file_text import no_file

TEXT = "\n one\ntwo \n \t\nthree\n\n\nfour\n"
CONTENTS = {
    "csv": (b"text,label\na,x\n", ("text", "label")),
    "tsv": (b"text\tlabel\na\tx\n", ("text", "label")),
    "jsonl": (b'{"text": "a", "label": "x"}\n', ("text", "label")),
    "conll": (b"a\tx\n", ("tokens", "tags")),
    "conllu": (b"1\ta\t_\tNOUN\t_\t_\t0\troot\t_\t_\n", ("tokens", "tags")),
    "squad": (
        b'[{"id": "1", "question": "Who?", "context": "a", "answers": [{"text": "a", "answer_start": 0}]}]',
        ("id", "question", "context", "answers"),
    ),
    "text": (b"a\n", ("text",)),
}
COLUMNS = {name: columns for name, (_, columns) in CONTENTS.items()} | {"parquet": ("text",)}
ENDING = {file_format: ending for ending, file_format in reversed(ENDINGS.items())}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def refused(path: Path, columns=()) -> UserError:
    with pytest.raises(UserError) as caught:
        list(reader_of(path)(path, columns))
    error = caught.value
    assert error.path == str(path)
    return error


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("line", [(2, " one"), (3, "two "), (5, "three"), (8, "four")]),
        ("paragraph", [(2, " one\ntwo "), (5, "three"), (8, "four")]),
        ("document", [(1, " one\ntwo \n \t\nthree\n\n\nfour")]),
    ],
)
def test_text_is_cut_into_units_with_their_lines(tmp_path, unit, expected, end):
    path = write(tmp_path / "raw.txt", TEXT.replace("\n", end).encode())
    assert list(read_text(path, (), unit)) == [(line, (text,)) for line, text in expected]


def test_paragraphs_are_the_default(tmp_path):
    path = write(tmp_path / "raw.txt", TEXT.encode())
    assert list(reader_of(path)(path, ("text",))) == list(read_text(path, (), "paragraph"))


@pytest.mark.parametrize("content", [b"", b"\n \t\r\n", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("unit", ["line", "paragraph", "document"])
def test_an_empty_text_is_refused(tmp_path, content, unit):
    path = write(tmp_path / "raw.txt", content)
    with pytest.raises(UserError, match="empty") as caught:
        list(read_text(path, (), unit))
    assert (caught.value.path, caught.value.line) == (str(path), 1)


def test_every_format_but_parquet_has_contents_here():
    assert {*CONTENTS, "parquet"} == set(READERS) == set(ENDINGS.values())


@pytest.mark.parametrize("file_format", CONTENTS)
def test_every_format_is_read_compressed_with_and_without_a_mark_and_with_crlf(tmp_path, file_format):
    content, columns = CONTENTS[file_format]
    plain = write(tmp_path / f"train{ENDING[file_format]}", content)
    rows = list(reader_of(plain)(plain, columns))
    assert len(rows) == 1
    for written in (content, b"\xef\xbb\xbf" + content, content.replace(b"\n", b"\r\n"), content.removesuffix(b"\n")):
        packed = write(tmp_path / f"train{ENDING[file_format]}.gz", gzip.compress(written))
        assert list(reader_of(packed)(packed, columns)) == rows
        assert list(reader_of(write(plain, written))(plain, columns)) == rows


def test_parquet_is_read_compressed(tmp_path):
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table({"tokens": [["a", "b"]], "tags": [["O", "B-x"]]}), buffer)
    path = write(tmp_path / "train.parquet.gz", gzip.compress(buffer.getvalue()))
    assert list(reader_of(path)(path, ("tokens", "tags"))) == [(1, (["a", "b"], ["O", "B-x"]))]


def test_a_cell_of_jsonl_may_be_a_list(tmp_path):
    path = write(tmp_path / "train.jsonl", json.dumps({"tokens": ["a"], "labels": ["x", "y"]}).encode())
    assert list(reader_of(path)(path, ("tokens", "labels"))) == [(1, (["a"], ["x", "y"]))]


@pytest.mark.parametrize("file_format", [*CONTENTS, "parquet"])
def test_a_torn_or_foreign_gzip_file_is_refused(tmp_path, file_format):
    path = tmp_path / f"train{ENDING[file_format]}.gz"
    whole = gzip.compress(b"some longer text, so that it can be cut\n" * 9)
    for torn in (whole[:-9], whole[:20] + b"\x00\xff\x00" + whole[23:], whole + b"more"):
        assert "damaged" in refused(write(path, torn), COLUMNS[file_format]).problem
    for foreign in (b"text,label\na,x\n", b""):
        error = refused(write(path, foreign), COLUMNS[file_format])
        assert "not a gzip file" in error.problem
        assert error.found


@pytest.mark.parametrize("file_format", CONTENTS)
@pytest.mark.parametrize("compressed", [False, True])
def test_undecodable_bytes_are_refused_with_their_line(tmp_path, file_format, compressed):
    content = b"\xef\xbb\xbfone\r\n\r\nK\xe4se\n"
    path = write(tmp_path / f"t{ENDING[file_format]}{'.gz' * compressed}", gzip.compress(content) if compressed else content)
    error = refused(path, COLUMNS[file_format])
    assert "UTF-8" in error.problem
    assert error.line == 3
    assert "0xe4" in error.found


def test_a_gzip_file_without_its_ending_is_named_as_such(tmp_path):
    error = refused(write(tmp_path / "train.txt", gzip.compress(b"one\n")))
    assert error.found == "a gzip archive"
    assert ".gz" in error.hint


@pytest.mark.parametrize("file_format", ["conll", "conllu", "squad", "text"])
def test_a_format_that_cannot_give_so_many_columns_is_refused(tmp_path, file_format):
    path = write(tmp_path / f"train{ENDING[file_format]}", CONTENTS[file_format][0])
    error = refused(path, ("text_a", "text_b", "label"))
    assert "do not fit the head" in error.problem
    assert error.expected == "the columns text_a, text_b, label"


@pytest.mark.parametrize(
    ("name", "file_format"),
    [
        ("a.CSV", "csv"),
        ("a.b.tsv.gz", "tsv"),
        ("wikigold.conll.txt", "conll"),
        ("x.bio", "conll"),
        ("x.iob.gz", "conll"),
        ("x.iob2", "conll"),
        ("x.conllu", "conllu"),
        ("dev-v2.0.json", "squad"),
        ("notes.txt.GZ", "text"),
    ],
)
def test_the_ending_names_the_format(name, file_format):
    assert format_of(Path(name)) == file_format


@pytest.mark.parametrize("name", ["emerging.test.annotated", "train", "train.gz", "train.xlsx.gz"])
def test_an_unknown_ending_is_refused_unless_a_format_is_given(tmp_path, name):
    path = write(tmp_path / name, gzip.compress(b"a O\n") if name.endswith("gz") else b"a O\n")
    error = refused(path)
    assert error.problem == "unknown file format"
    assert error.found in (".annotated", "no ending", ".xlsx")
    assert len(list(reader_of(path, "conll")(path, ()))) == 1


def test_a_data_file_that_is_not_there_is_never_taken_for_a_study_beside_it(tmp_path):
    (tmp_path / "train.yaml").write_text("name: s\n")
    assert no_file(tmp_path / "train.csv", "a CSV file", "check the path").hint == "check the path"
    (tmp_path / "trian.csv").write_text("text,label\n")
    assert no_file(tmp_path / "train.csv", "a CSV file", "check the path").hint == "did you mean 'trian.csv'?"
