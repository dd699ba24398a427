"""A kept model answers only if it is the one that its run saved, also where the record is too old to have its checksums."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bertft_core.config import UserError
from bertft_core.data.kept_model import refuse_changed_model
from bertft_core.records import RunRecord
from bertft_core.storage.study_dir import StudyDir
from tests.helpers.small_records import make_card, make_record, make_spec, make_study

FILES = {"tokenizer.json": "{}", "vocab.txt": "[UNK]", "tokenizer_config.json": "{}"}


@pytest.fixture
def kept(tmp_path) -> tuple[RunRecord, Path]:
    """The record of an older version, and the folder of its run with a model."""
    study, study_dir = make_study(), StudyDir(tmp_path, "small")
    card = make_card(tmp_path).model_copy(update={"encoder_dir": str(tmp_path / "encoder")})
    record = make_record(make_spec(study, card), card, study_dir)
    run_dir = study_dir.run_dir(record.digest)
    for folder in (tmp_path / "encoder", run_dir / "model"):
        folder.mkdir(parents=True)
        for name, content in FILES.items():
            (folder / name).write_text(content)
    (run_dir / "model" / "bertft_head.json").write_text(record.spec.head.model_dump_json())
    labels = {str(i): label for i, label in enumerate(record.spec.labels)}
    (run_dir / "model" / "config.json").write_text(json.dumps({"id2label": labels}))
    return record.model_copy(update={"files": {}}), run_dir


def test_a_model_as_it_was_saved_is_used(kept):
    refuse_changed_model(*kept)


def test_so_is_one_whose_encoder_is_gone(kept, tmp_path):
    (tmp_path / "encoder").rename(tmp_path / "elsewhere")
    refuse_changed_model(*kept)


CHANGES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "another pooling": ("bertft_head.json", lambda path: path.write_text(path.read_text().replace("pooler", "mean"))),
    "no head": ("bertft_head.json", Path.unlink),
    "a head that cannot be read": ("bertft_head.json", lambda path: path.write_text("{")),
    "labels in another order": ("config.json", lambda path: path.write_text('{"id2label": {"0": "positive", "1": "negative"}}')),
    "labels of another number": ("config.json", lambda path: path.write_text('{"id2label": {"0": "negative"}}')),
    "no labels": ("config.json", lambda path: path.write_text("[]")),
    "another tokenizer": ("tokenizer.json", lambda path: path.write_text('{"version": "1.0"}')),
    "no tokenizer": ("tokenizer.json", Path.unlink),
    "no vocabulary": ("vocab.txt", Path.unlink),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_other_is_refused(kept, change):
    record, run_dir = kept
    name, make = CHANGES[change]
    make(run_dir / "model" / name)
    with pytest.raises(UserError) as caught:
        refuse_changed_model(record, run_dir)
    assert (caught.value.code, caught.value.path) == ("model.changed", str(run_dir / "model" / name))
    assert "copy the file from a backup" in str(caught.value.hint)
