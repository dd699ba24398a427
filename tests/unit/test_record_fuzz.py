"""Whatever bytes a record, its curves or a journal hold, the outcome is what is whole of it, or that it is damaged."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from bertft_core.config.study_config import StudyConfig
from bertft_core.records import DatasetCard, RunRecord
from bertft_core.storage import StudyDir
from bertft_core.storage.curve_lines import curve_events
from bertft_core.storage.study_dir import Damaged, checked_record, write_record
from bertft_core.sweep.journal_file import problem_of, repair_file
from tests.helpers.fuzzing import N_QUICK, N_SLOW, fuzz
from tests.helpers.small_records import make_card, make_record, make_spec, make_study

how_many = pytest.mark.parametrize("n", [N_QUICK, pytest.param(N_SLOW, marks=pytest.mark.slow)])


@how_many
@pytest.mark.parametrize("kind", [StudyConfig, DatasetCard, RunRecord])
def test_a_record_of_any_bytes(tmp_path, kind, n):
    card = make_card(tmp_path)
    record = make_record(make_spec(make_study(), card), card, StudyDir(tmp_path, "small"))
    sample = next(one for one in (make_study(), card, record) if type(one) is kind)
    write_record(tmp_path / "sample.json", sample)
    signed = (tmp_path / "sample.json").read_bytes()
    unsigned = b"{" + signed.split(b",", 1)[1]  # without a checksum, as older versions wrote it: damage reaches the fields

    def read(path: Path) -> None:
        with suppress(Damaged):
            checked_record(path, kind)

    fuzz(read, tmp_path / "record.json", (signed, unsigned, unsigned.replace(b'"version": 2', b'"version": 1')), n)


@how_many
def test_curves_of_any_bytes(tmp_path, n):
    fuzz(curve_events, tmp_path / "curves.jsonl", (b'{"kind": "step", "step": 1, "loss": 0.5}\n' * 3,), n)


@how_many
def test_a_journal_of_any_bytes(tmp_path, n):
    def read(path: Path) -> None:
        repair_file(path)
        problem_of(path)

    fuzz(read, tmp_path / "journal.log", (b'{"op_code": 0, "worker_id": "x", "study_name": "s", "directions": [1]}\n' * 2,), n)
