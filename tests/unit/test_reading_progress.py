"""Whoever waits for a large file learns how far it has been read; small files are not mentioned."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from bertft_core.config.encoder_settings import EncoderConfig
from bertft_core.data import tokenization
from bertft_core.data.encoder_files import resolve_encoder
from bertft_core.data.readers import file_text, parquet_table, reader_of
from bertft_core.data.reading_progress import READING, has_read, has_tokenised
from bertft_core.data.tokenization import encode, encode_windows, load_tokenizer
from flows.cli.reading_lines import EVERY_SECONDS, ReadingLines, reading_shown
from tests.helpers.tiny_encoders import KINDS, tiny_encoder

ROWS = [(f"a text with the number {i}", f"l{i % 2}") for i in range(400)]
CSV = "text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Files are read in many pieces, as large ones are."""
    monkeypatch.setattr(file_text, "N_CHUNK", 1000)
    monkeypatch.setattr(parquet_table, "N_BATCH", 50)


def written(folder: Path, name: str) -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        columns = zip(("text", "label"), zip(*ROWS, strict=True), strict=True)
        parquet.write_table(pa.table({column: list(cells) for column, cells in columns}), path)
    elif name.endswith(".jsonl"):
        path.write_text("".join(f'{{"text": "{text}", "label": "{label}"}}\n' for text, label in ROWS))
    else:
        path.write_bytes(gzip.compress(CSV.encode()) if name.endswith(".gz") else CSV.encode())
    return path


class Log(logging.Handler):
    """Every record that reaches the root logger."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def logged_at_level(logger: logging.Logger, level: int) -> Iterator[Log]:
    root, log, before = logging.getLogger(), Log(), logger.level
    root.addHandler(log)
    logger.setLevel(level)
    try:
        yield log
    finally:
        logger.setLevel(before)
        root.removeHandler(log)


class Heard(ReadingLines):
    """What is read, bytes read and sizes of all records."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[tuple[str, int, int]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.shown.append((record.what, record.n_done, record.n_in_all))


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.jsonl", "t.parquet"])
def test_every_reader_tells_how_far_it_is(tmp_path, name):
    path, heard = written(tmp_path, name), Heard()
    with reading_shown(heard):
        assert len(list(reader_of(path)(path, ("text", "label")))) == len(ROWS)
    assert {(shown[0], shown[2]) for shown in heard.shown} == {(f"reading {name}", path.stat().st_size)}
    amounts = [n_bytes for _, n_bytes, _ in heard.shown]
    assert len(amounts) > 5
    assert amounts == sorted(amounts)
    assert 0.5 * path.stat().st_size < amounts[-1] <= path.stat().st_size


def test_only_a_command_shows_it_and_nobody_after_its_block(tmp_path):
    path, heard = written(tmp_path, "t.csv"), Heard()
    with logged_at_level(logging.getLogger(), logging.INFO) as log, reading_shown(heard):
        has_read(path, 1, 2)
    assert heard.shown == [("reading t.csv", 1, 2)]
    list(reader_of(path)(path, ("text", "label")))
    assert heard.shown == [("reading t.csv", 1, 2)]
    assert READING.propagate
    assert log.records == []


def test_who_asks_for_the_log_finds_it_there(tmp_path):
    with logged_at_level(READING, logging.INFO) as log:
        list(reader_of(path := written(tmp_path, "t.csv"))(path, ("text", "label")))
    assert log.records[-1].n_done == path.stat().st_size
    assert path.name in log.records[-1].getMessage()


def ticking(seconds: float) -> Iterator[float]:
    now = 0.0
    while True:
        yield now
        now += seconds


def lines(capsys, seconds: float, *shown: tuple[str, int], size: int = 2**30) -> list[str]:
    clock = ticking(seconds)
    with reading_shown(ReadingLines(lambda: next(clock))):
        for name, n_bytes in shown:
            has_read(Path(name), n_bytes, size)
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.splitlines()


def test_a_file_that_is_read_at_once_is_not_mentioned(capsys):
    assert lines(capsys, EVERY_SECONDS / 10, *(("a.csv", n * 2**20) for n in range(9))) == []


def test_a_large_file_has_a_line_now_and_then_with_its_size_and_share(capsys):
    found = lines(capsys, EVERY_SECONDS / 2, *(("a.csv", n * 2**28) for n in range(5)))
    assert found == ["reading a.csv: 0.5 of 1.0 GiB (50 %)", "reading a.csv: 1.0 of 1.0 GiB (100 %)"]


def test_each_file_and_each_reading_of_it_begins_anew(capsys):
    many_files = [(f"{k}.csv", 2**20) for k in range(9)]
    assert lines(capsys, EVERY_SECONDS, *many_files) == []
    assert lines(capsys, EVERY_SECONDS, ("a.csv", 2**29), ("a.csv", 2**20), ("a.csv", 2**28)) == [
        "reading a.csv: 0.2 of 1.0 GiB (25 %)"
    ]


def test_bytes_have_no_decimals(capsys):
    assert lines(capsys, EVERY_SECONDS, ("a.csv", 0), ("a.csv", 150), size=301) == ["reading a.csv: 150 of 301 bytes (50 %)"]


def test_texts_that_are_tokenised_are_counted(capsys):
    clock = ticking(EVERY_SECONDS / 2)
    with reading_shown(ReadingLines(lambda: next(clock))):
        for n in range(0, 4001, 1000):
            has_tokenised(n, 4000)
    assert capsys.readouterr().err.splitlines() == [
        "tokenising: 2,000 of 4,000 texts (50 %)",
        "tokenising: 4,000 of 4,000 texts (100 %)",
    ]


@pytest.mark.parametrize("family", KINDS)
@pytest.mark.parametrize("how", ["cut", "windows"])
def test_texts_are_tokenised_the_same_in_chunks_of_any_size(tmp_path, monkeypatch, family, how):
    tokenizer = load_tokenizer(resolve_encoder(EncoderConfig(path=str(tiny_encoder(tmp_path / "encoder", family))), tmp_path))
    texts = [("good film " * n,) for n in (1, 300, 2, 3, 700, 1)]

    def tokenised():
        if how == "cut":
            return encode(tokenizer, texts, 16)
        return encode_windows(tokenizer, [text for (text,) in texts], 16, 4)

    whole, heard = tokenised(), Heard()
    monkeypatch.setattr(tokenization, "CHUNK_CHARACTERS", 2000)
    with reading_shown(heard):
        parts = tokenised()
    assert heard.shown == [("tokenising", n, 6) for n in (0, 2, 5, 6)]
    assert parts.n_tokens == whole.n_tokens
    for one, other in ((parts.input_ids, whole.input_ids), (parts.window_lengths, whole.window_lengths)):
        assert [row.tolist() for row in one] == [row.tolist() for row in other]
