"""Files become examples as they are written, and every malformed file is refused with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from bertft_core.config import UserError
from bertft_core.config.data_settings import BundledData, FileData
from bertft_core.data.readers.file_options import FileOptions
from bertft_core.data.readers.json_with_lines import load_with_lines
from bertft_core.data.readers.parquet_table import read_parquet
from bertft_core.data.sources import SOURCES, read_splits

FIELDS = {"csv": ",", "tsv": "\t"}
TABLES = ["csv", "jsonl", "parquet", "tsv"]
TEXTS = ["None", "NA", "null", "nan", "n/a", "", "Grüße, “Welt”"]


def data_of(path: Path, **more) -> FileData:
    return FileData(source="files", train=str(path), **more)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path: Path, **more) -> UserError:
    with pytest.raises(UserError) as caught:
        read_splits(data_of(path, **more))
    error = caught.value
    assert error.path == str(path)
    assert error.problem
    return error


def write_rows(folder: Path, ending: str, rows: list[tuple[str, str]]) -> Path:
    path = folder / f"train.{ending}"
    if ending == "parquet":
        texts, labels = zip(*rows, strict=True)
        parquet.write_table(pyarrow.table({"text": texts, "label": labels}), path)
        return path
    if ending == "jsonl":
        return write(path, "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    quoted = [tuple(f'"{cell}"' if ending == "csv" else cell for cell in row) for row in rows]
    return write(path, "\n".join(FIELDS[ending].join(row) for row in [("text", "label"), *quoted]) + "\n")


@pytest.mark.parametrize("ending", TABLES)
def test_texts_that_look_like_missing_values_remain_texts(tmp_path, ending):
    texts = [text for text in TEXTS if text]
    path = write_rows(tmp_path, ending, [(text, "NA") for text in texts])
    train = read_splits(data_of(path))["train"]
    assert [example.texts for example in train.examples] == [(text,) for text in texts]
    assert {example.label for example in train.examples} == {"NA"}
    assert [example.id for example in train.examples][:2] == ["train-00000", "train-00001"]


@pytest.mark.parametrize("ending", TABLES)
def test_an_empty_text_is_refused_with_its_line(tmp_path, ending):
    path = write_rows(tmp_path, ending, [("good", "a"), (" ", "b")])
    error = refused(path)
    assert "empty" in error.problem
    assert error.line == (3 if ending in FIELDS else 2)


@pytest.mark.parametrize("ending", TABLES)
def test_a_missing_label_is_refused_with_its_line(tmp_path, ending):
    error = refused(write_rows(tmp_path, ending, [("good", "a"), ("bad", "")]))
    assert "missing" in error.problem
    assert error.line == (3 if ending in FIELDS else 2)


@pytest.mark.parametrize("ending", TABLES)
def test_a_missing_column_names_those_found_and_the_nearest(tmp_path, ending):
    error = refused(write_rows(tmp_path, ending, [("good", "a")]), text="Texts")
    assert error.found == "text, label"
    assert error.hint == "did you mean 'text'?"
    assert error.line == 1


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_a_byte_order_mark_is_accepted(tmp_path, ending):
    path = write_rows(tmp_path, ending, [("good", "a")])
    write(path, b"\xef\xbb\xbf" + path.read_bytes())
    assert read_splits(data_of(path))["train"].examples[0].texts == ("good",)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path, ending):
    path = write_rows(tmp_path, ending, [("good", "a"), ("Käse", "b")])
    error = refused(write(path, path.read_text().replace("\\u00e4", "ä").encode("latin-1")))
    assert "UTF-8" in error.problem
    assert error.line == (3 if ending in FIELDS else 2)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_an_empty_file_is_refused(tmp_path, ending):
    assert refused(write(tmp_path / f"train.{ending}", "\n")).line == 1


@pytest.mark.parametrize("ending", sorted(FIELDS))
def test_a_header_alone_is_refused(tmp_path, ending):
    assert "no examples" in refused(write(tmp_path / f"train.{ending}", FIELDS[ending].join(["text", "label"]))).problem


@pytest.mark.parametrize("ending", sorted(FIELDS))
@pytest.mark.parametrize(("cells", "word"), [(["b"], "few"), (["b", "x", "y"], "many")])
def test_a_ragged_row_is_refused_with_its_line(tmp_path, ending, cells, word):
    rows = [["text", "label"], ["a", "x"], cells]
    error = refused(write(tmp_path / f"train.{ending}", "\n".join(map(FIELDS[ending].join, rows))))
    assert word in error.problem
    assert error.line == 3


def test_csv_lines_are_counted_in_the_file_also_after_a_cell_with_line_ends(tmp_path):
    path = write(tmp_path / "train.csv", 'text,label\n"one\ntwo\nthree",a\n\nfour,a\n ,a\n')
    assert refused(path).line == 7
    good = write(tmp_path / "good.csv", 'text,label\r\n"one\r\n""two""",a\r\nfour,b\r\n')
    examples = read_splits(data_of(good))["train"].examples
    assert [(example.texts[0], example.line) for example in examples] == [('one\r\n"two"', 2), ("four", 4)]


def test_an_unclosed_quote_is_refused_at_the_row_it_opens_in(tmp_path):
    error = refused(write(tmp_path / "train.csv", 'text,label\na,x\n"b,x\nc,y\n'))
    assert error.line == 3


def test_quotes_mean_nothing_in_tsv(tmp_path):
    path = write(tmp_path / "train.tsv", 'text\tlabel\n"the best" , they said\ta\n"\tb\n')
    assert [e.texts[0] for e in read_splits(data_of(path))["train"].examples] == ['"the best" , they said', '"']


@pytest.mark.parametrize(
    "line", ['{"text": "b", "label": ', "[1, 2]", '"b"', "[" * 100_000, '{"text": "b", "label": ' + "1" * 5000]
)
def test_a_malformed_json_line_is_refused_with_its_line(tmp_path, line):
    error = refused(write(tmp_path / "train.jsonl", '{"text": "a", "label": "x"}\n\n' + line + "\n"))
    assert "JSON" in error.problem
    assert error.line == 3


def test_a_json_text_may_hold_a_line_separator(tmp_path):
    path = write(tmp_path / "train.jsonl", '{"text": "a\u2028b", "label": "x"}\n')
    assert read_splits(data_of(path))["train"].examples[0].texts == ("a\u2028b",)


def test_integer_and_boolean_labels_become_names(tmp_path):
    path = write(tmp_path / "train.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": true}\n')
    assert [e.label for e in read_splits(data_of(path))["train"].examples] == ["1", "true"]
    parquet.write_table(pyarrow.table({"text": ["a", "b"], "label": [0, 10]}), tmp_path / "t.parquet")
    assert [e.label for e in read_splits(data_of(tmp_path / "t.parquet"))["train"].examples] == ["0", "10"]


@pytest.mark.parametrize("label", ["1.5", "[1]", "null", "NaN"])
def test_other_json_values_are_no_labels(tmp_path, label):
    error = refused(write(tmp_path / "train.jsonl", f'{{"text": "a", "label": {label}}}\n'))
    assert error.line == 1
    assert ("missing" in error.problem) == (label in ("null", "NaN"))


def test_a_number_is_no_text(tmp_path):
    assert "not a text" in refused(write(tmp_path / "train.jsonl", '{"text": 5, "label": "a"}\n')).problem


def test_a_pair_of_columns_gives_pairs(tmp_path):
    path = write(tmp_path / "train.csv", "b,label,a\nx,1,y\n")
    assert read_splits(data_of(path, text=("a", "b")))["train"].examples[0].texts == ("y", "x")


def test_a_column_that_occurs_twice_is_refused(tmp_path):
    error = refused(write(tmp_path / "train.csv", "text,text,label\nx,y,1\n"))
    assert "duplicate column" in error.problem
    assert (error.expected, error.hint) == (
        "the columns text, label, each exactly once",
        "rename one of them in the file",
    )


def test_a_key_that_stands_twice_in_a_json_object_is_refused_with_its_line(tmp_path):
    rows = '{"text": "a", "label": "x", "more": {"a": 1}}\n{"text": "a", "label": "x", "label": "y"}\n'
    error = refused(write(tmp_path / "train.jsonl", rows))
    assert (error.problem, error.line, error.found) == ("duplicate key 'label' in one object", 2, "text, label, label")
    with pytest.raises(UserError, match="duplicate key 'b'") as caught:
        load_with_lines(write(tmp_path / "train.json", '{\n"a": {"b": 1,\n"b": 2}}\n'))
    assert caught.value.line == 2


def test_a_folder_in_place_of_a_file_is_reported_as_one(tmp_path):
    (tmp_path / "data").mkdir()
    assert refused(tmp_path / "data").found == "a folder without files"
    for name in ("LICENSE", "README.md", "study.yaml"):
        write(tmp_path / "data" / name, "about the data")
    assert refused(tmp_path / "data").hint == f"name a file in it, such as {tmp_path / 'data' / 'LICENSE'}"
    write(tmp_path / "data" / "train.csv", "text,label\na,x\n")
    error = refused(tmp_path / "data")
    assert error.problem == "this is a folder, not a file"
    assert error.hint == f"name a file in it, such as {tmp_path / 'data' / 'train.csv'}"


def test_the_limit_counts_the_texts_of_all_rows_where_a_dictionary_holds_them_once(tmp_path):
    text = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 1000), pyarrow.array(["great food " * 1000]))
    parquet.write_table(pyarrow.table({"text": text, "label": ["a", "b"] * 500}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 2**15
    error = refused(tmp_path / "t.parquet", max_gib=2**-10)
    assert (error.code, error.found) == ("file.too-large", "more than 1.0 MiB after 95 rows")


def test_the_plain_cells_of_parquet_are_counted_before_any_is_decoded(tmp_path, monkeypatch):
    texts = [f"{i} " * 2000 for i in range(200)]
    parquet.write_table(pyarrow.table({"text": texts, "label": ["a", "b"] * 100}), tmp_path / "t.parquet", use_dictionary=False)
    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", lambda *_, **__: pytest.fail("rows were decoded"))
    error = refused(tmp_path / "t.parquet", max_gib=2**-10)
    assert (error.code, error.found) == ("file.too-large", "1.3 MiB in the columns text, label")


def test_no_batch_of_parquet_is_larger_than_the_limit_where_a_dictionary_repeats_its_largest_text(tmp_path, monkeypatch):
    table = pyarrow.table({"text": ["great food " * 10_000] * 50, "label": ["a", "b"] * 25})
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=25)
    sizes, decoded = [], parquet.ParquetFile.iter_batches

    def noted(*positional, **named):
        for batch in decoded(*positional, **named):
            sizes.append(batch.nbytes)
            yield batch

    monkeypatch.setattr(parquet.ParquetFile, "iter_batches", noted)
    assert refused(tmp_path / "t.parquet", max_gib=2**-10).found == "more than 1.0 MiB after 9 rows"
    assert 2**19 < max(sizes) <= 2**20


def test_the_limit_of_parquet_counts_nested_cells_and_no_other_columns(tmp_path):
    rows = {"tokens": [["word" * 100] * 30] * 100, "tags": [["O"] * 30] * 100, "unread": [f"{i}" * 20_000 for i in range(100)]}
    parquet.write_table(pyarrow.table(rows), tmp_path / "t.parquet")
    assert len(list(read_parquet(tmp_path / "t.parquet", ("tags",), options=FileOptions(max_bytes=2**20)))) == 100
    with pytest.raises(UserError) as caught:
        list(read_parquet(tmp_path / "t.parquet", ("tokens", "tags"), options=FileOptions(max_bytes=2**20)))
    assert caught.value.code == "file.too-large"


def test_something_else_is_no_parquet(tmp_path):
    assert "Parquet" in refused(write(tmp_path / "train.parquet", "text,label\n")).problem


def test_a_missing_file_and_an_unknown_ending_are_refused(tmp_path):
    write(tmp_path / "train.csv", "text,label\na,x\n")
    assert refused(tmp_path / "trian.csv").hint == "did you mean 'train.csv'?"
    assert "unknown file format" in refused(write(tmp_path / "train.dat", "text,label\na,x\n")).problem
    assert read_splits(data_of(tmp_path / "train.dat", format="csv"))["train"].examples[0].label == "x"


def test_every_named_split_is_read(tmp_path):
    path = write(tmp_path / "train.csv", "text,label\na,x\n")
    splits = read_splits(data_of(path, validation=str(path), test=str(path), out_of_domain={"far": str(path)}))
    assert [split.examples[0].id for split in splits.values()] == [f"{n}-00000" for n in ("train", "validation", "test", "far")]


def test_an_unknown_bundled_set_suggests_the_nearest():
    with pytest.raises(UserError, match="did you mean 'reviews'") as caught:
        read_splits(BundledData(source="bundled", name="review"))
    assert caught.value.found == "review"


def test_a_column_that_a_bundled_set_lacks_is_corrected_in_the_study():
    for group, hint in (("author", "set data.split.group to one of its columns, or remove it"), ("knd", "did you mean 'kind'?")):
        with pytest.raises(UserError) as caught:
            read_splits(BundledData(source="bundled", name="reviews", split={"group": group}), with_ids=True)
        assert (caught.value.path, caught.value.line, caught.value.hint) == ("bundled reviews", None, hint)


def test_every_source_of_the_config_has_a_reader():
    assert set(SOURCES) == {"bundled", "files", "hub"}


def test_half_a_surrogate_pair_is_refused_with_its_line(tmp_path):
    lines = '{"text": "fine", "label": "a"}\n{"text": "half \\ud83d", "label": "b"}\n'
    error = refused(write(tmp_path / "train.jsonl", lines))
    assert (error.line, error.problem) == (2, "the cell in column 'text' is not a text")
    assert "\\ud83d" in str(error)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_a_document_of_any_length_is_read(tmp_path, ending):
    document = "word " * 50_000
    cells = {"csv": f'text,label\n"{document}",x\n', "tsv": f"text\tlabel\n{document}\tx\n"}
    path = write(tmp_path / f"train.{ending}", cells.get(ending, json.dumps({"text": document, "label": "x"}) + "\n"))
    assert read_splits(data_of(path))["train"].examples[0].texts == (document,)


def test_half_a_surrogate_pair_in_a_label_is_refused_with_its_line(tmp_path):
    error = refused(write(tmp_path / "train.jsonl", '{"text": "a", "label": "x"}\n{"text": "b", "label": "\\ud83d"}\n'))
    assert (error.line, error.problem) == (2, "the value in column 'label' is not a label")


@pytest.mark.parametrize("target", ["loop.csv", "gone.csv"])
def test_a_link_that_leads_to_no_file_is_not_suggested_as_its_own_remedy(tmp_path, target):
    (tmp_path / "loop.csv").symlink_to(target)
    error = refused(tmp_path / "loop.csv")
    assert (error.code, error.hint) == ("file.not-found", "correct the link")
    assert error.found == f"a link to {target}, where there is no file"
