"""Whatever a data file holds, each reader gives its rows or a refusal, in bounded time and memory."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from bertft_core.config.data_settings import FileData
from bertft_core.data.readers import READERS
from bertft_core.data.readers.file_content import format_by_content
from bertft_core.data.sources import read_splits
from tests.helpers.fuzzing import N_QUICK, N_SLOW, fuzz, fuzz_in_child

HEADS = {"conll": "token_classification", "conllu": "token_classification", "squad": "question_answering", "text": "masked_lm"}


def _parquet(**columns: list) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


SAMPLES: dict[str, tuple[bytes, ...]] = {
    "csv": (b'text,label\n"a, ""b""\nc",x\nd,y\n', b"label;text\nx;a b c\n"),
    "tsv": (b'text\tlabel\na b\tx\n"c"\ty\n', b"text\tlabel\r\na\tx\r\n"),
    "jsonl": (b'{"text": "a", "label": "x"}\n{"text": "b\\u00e9", "label": 1.0}\n',),
    "parquet": (_parquet(text=["a", "bc", "d"], label=["x", "y", "x"]), _parquet(text=["a", None] * 150, label=[1.0] * 300)),
    "conll": (b"-DOCSTART- O\n\n# id = a\nEU B-ORG\nsaid O\n\nNo O\n", b"a\tO\n\xc2\xa0\nb\tB-x\n"),
    "conllu": (
        b"# text = a\n1\ta\ta\tNOUN\t_\t_\t0\troot\t_\t_\n2-3\tb\t_\t_\t_\t_\t_\t_\t_\t_\n2\tb\tb\tVERB\t_\t_\t1\tx\t_\t_\n",
    ),
    "squad": (
        b'{"data": [{"paragraphs": [{"context": "a b", "qas": [{"id": "1", "question": "Who?", "is_impossible": false, '
        b'"answers": [{"text": "a", "answer_start": 0}]}]}]}]}',
        b'[{"id": "1", "question": "Who?", "context": "a", "answers": {"text": ["a"], "answer_start": [0]}}]',
    ),
    "text": (b"one\ntwo\n\nthree\n", b"\xe2\x80\x8b\n"),
}


def read(path: Path, **more: object) -> None:
    """As a study does, and as `recommend` looks at it."""
    format_by_content(path)
    file_format = path.parent.name
    asked = {"scheme": "plain"} if file_format == "conllu" else {}
    data = FileData.model_validate({"source": "files", "train": str(path), "format": file_format, **asked, **more})
    read_splits(data, HEADS.get(file_format, "classification"))


def fuzz_format(file_format: str, folder: str, n: int) -> None:
    path = Path(folder) / file_format / "train"
    path.parent.mkdir()
    fuzz(read, path, SAMPLES[file_format], n)


def test_every_format_has_a_sample_that_is_read(tmp_path):
    assert set(SAMPLES) == set(READERS)
    for file_format, samples in SAMPLES.items():
        path = tmp_path / file_format / "train"
        path.parent.mkdir()
        path.write_bytes(samples[0])
        read(path)


@pytest.mark.parametrize("file_format", sorted(SAMPLES))
def test_a_hostile_file_is_read_or_refused(tmp_path, file_format):
    fuzz_format(file_format, str(tmp_path), N_QUICK)


@pytest.mark.parametrize("encoding", ["utf-16", "shift_jis", "utf-7"])
def test_a_hostile_file_in_another_encoding_is_read_or_refused(tmp_path, encoding):
    path = tmp_path / "csv" / "train"
    path.parent.mkdir()
    samples = tuple(sample.decode().encode(encoding) for sample in SAMPLES["csv"])
    fuzz(lambda file: read(file, encoding=encoding), path, samples)


def test_a_hostile_gzip_file_is_read_or_refused(tmp_path):
    path = tmp_path / "csv" / "train.csv.gz"
    path.parent.mkdir()
    fuzz(read, path, (gzip.compress(SAMPLES["csv"][0]), gzip.compress(b"text,label\na,b\n" * 500)))


@pytest.mark.slow
@pytest.mark.parametrize("file_format", sorted(SAMPLES))
def test_thousands_of_hostile_files_are_read_or_refused_in_bounded_time_and_memory(tmp_path, file_format):
    fuzz_in_child(__name__, "fuzz_format", file_format, str(tmp_path), N_SLOW)
