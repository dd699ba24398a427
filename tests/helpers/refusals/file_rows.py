"""Refusals of data files as a whole, and of their lines."""

import errno
import os
from pathlib import Path

import pytest

from bertft_core.data.readers.plain_text import read_text
from flows.cli.app import app
from tests.helpers.refusals.data_rows import NER, TEXTS, rows_of, study
from tests.helpers.refusals.refusal import Refusal, raising


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "t.csv")
    (folder / "s.yaml").write_text(study())
    app(["check-data", "s.yaml"], standalone_mode=False)


def _unreadable(folder: Path) -> None:
    (folder / "s.yaml").write_text(study())
    (folder / "t.csv").write_text(TEXTS)
    opened = Path.open

    def unreadable(path: Path, *args: object, **options: object) -> object:
        refuse = raising(PermissionError(errno.EACCES, "Permission denied"))
        return refuse() if path.name == "t.csv" else opened(path, *args, **options)  # type: ignore[call-overload]

    with pytest.MonkeyPatch.context() as patch:  # root may read every file
        patch.setattr(Path, "open", unreadable)
        app(["check-data", "s.yaml"], standalone_mode=False)


def _labels_of_text(folder: Path) -> None:
    list(read_text(Path("t.txt"), ("text", "label")))


ROWS = (
    Refusal("file.is-special", call=_pipe, place="t.csv"),
    Refusal("file.unreadable", call=_unreadable, place="t.csv"),
    rows_of("file.not-gzip", TEXTS, "t.csv.gz", file="t.csv.gz"),
    rows_of("file.too-large", TEXTS * 100, "t.csv", keys="max_gib: 0.000001"),
    rows_of("file.too-many-rows", TEXTS, "t.csv", keys="max_rows: 3"),
    rows_of("table.unexpected-header", TEXTS, "t.csv:1", keys="header: false, columns: [text, label]"),
    Refusal("file.format-of-head", call=_labels_of_text, place="t.txt"),
    rows_of("conll.empty-cell", "I\tO\n\tO\n", "t.conll:2", file="t.conll", **NER),
    rows_of("conllu.empty-cell", "1" + "\t" * 9 + "\n", "t.conllu:1", file="t.conllu", **NER),
    rows_of("conllu.word-ids", "2\tI" + "\t_" * 8 + "\n", "t.conllu:1", file="t.conllu", **NER),
)
