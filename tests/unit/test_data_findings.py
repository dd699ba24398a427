"""Each check finds what it names, counts it, shows where it is, and is silent about clean data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertft_core.config import parse_study
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.records import DataFinding
from tests.helpers.tiny_encoders import tiny_encoder

CLEAN = {
    "train": [(f"the film was good {i}", "ab"[i % 2]) for i in range(20)],
    "validation": [(f"great food {i}", "ab"[i % 2]) for i in range(10)],
}
FOUND = {"duplicates", "conflicting_labels", "overlap", "class_balance", "truncated", "unknown_tokens", "very_short"}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def findings_of(encoder, tmp_path):
    def find(max_length: int = 16, **more: list[tuple[str, str]]) -> dict[str, DataFinding]:
        data = {"source": "files", "max_length": max_length}
        for name, rows in CLEAN.items():
            path = tmp_path / f"{name}.jsonl"
            lines = [json.dumps({"text": text, "label": label}) for text, label in rows + more.get(name, [])]
            path.write_text("\n".join(lines))
            data[name] = str(path)
        study = parse_study({"name": "s", "data": data, "encoder": {"path": str(encoder)}, "arms": {"full": {}}})
        return {finding.check: finding for finding in prepare_data(study, home_dir=tmp_path).findings}

    return find


def test_clean_data_has_no_findings(findings_of):
    assert findings_of() == {}


def test_copies_within_a_split_are_found(findings_of):
    found = findings_of(train=[("The  Film was good 3", "b"), ("the film was GOOD 3 ", "b")])
    assert set(found) == {"duplicates"}
    assert (found["duplicates"].split, found["duplicates"].count) == ("train", 2)
    assert found["duplicates"].examples == ("train.jsonl:21: The Film was good 3", "train.jsonl:22: the film was GOOD 3")


def test_copies_with_different_labels_are_found(findings_of):
    found = findings_of(validation=[("great food 0", "b")])
    assert set(found) == {"duplicates", "conflicting_labels"}
    assert found["conflicting_labels"].examples == ("validation.jsonl:11: great food 0",)


def test_texts_of_the_training_set_in_another_split_are_found(findings_of):
    found = findings_of(validation=[("THE film was good 7", "b")])
    assert set(found) == {"overlap"}
    assert (found["overlap"].split, found["overlap"].count) == ("validation", 1)
    assert found["overlap"].names == ("train",)


@pytest.mark.parametrize(("n_more", "found"), [(20, set()), (21, {"class_balance"})])
def test_classes_of_very_different_size_are_found(findings_of, n_more, found):
    assert set(findings_of(train=[(f"never boring {i}", "a") for i in range(n_more)])) == found


def test_inputs_that_are_cut_are_found_when_they_are_many(findings_of):
    long = [(f"film film film film film film film film film {i} film food film", "a") for i in range(3)]
    assert findings_of(max_length=14, train=long[:1]) == {}
    assert findings_of(max_length=15, train=long) == {}
    found = findings_of(max_length=14, train=long)
    assert set(found) == {"truncated"}
    assert found["truncated"].count == 3
    assert found["truncated"].numbers["longest"] == 15


def test_unknown_word_pieces_are_found_when_they_are_many(findings_of):
    found = findings_of(validation=[("the film はい was good ☃", "a")])
    assert set(found) == {"unknown_tokens"}
    assert found["unknown_tokens"].split == "validation"
    assert found["unknown_tokens"].count == 2
    assert found["unknown_tokens"].examples == ("validation.jsonl:11: the film はい was good ☃",)


def test_very_short_texts_are_found(findings_of):
    found = findings_of(train=[("!! :-) ok", "a"), ("bad", "b")])
    assert set(found) == {"very_short"}
    assert found["very_short"].examples == ("train.jsonl:21: !! :-) ok",)


def test_every_check_of_the_table_is_tested_here():
    source = Path(__file__).read_text()
    assert len(ALIGNMENTS["classification"].checks) == len(FOUND)
    assert all(f'{{"{name}"' in source or f', "{name}"}}' in source for name in FOUND)
