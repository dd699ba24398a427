"""Each check finds what it names, counts it, shows where it is, and is silent about clean data."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

from bertft_core.config import parse_study
from bertft_core.data import prepare_study_data
from bertft_core.data.alignment import ALIGNMENTS
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.tokenizer_facts import TokenizerFacts
from bertft_core.records import DataFinding
from tests.helpers.tiny_encoders import tiny_encoder

CLEAN = {
    "train": [(f"the film was good {i}", "ab"[i % 2]) for i in range(20)],
    "validation": [(f"great food {i}", "ab"[i % 2]) for i in range(10)],
}
FOUND = {
    "duplicates", "conflicting_labels", "overlap", "conflicting_overlap", "class_balance", "look_alike_labels", "many_labels",
    "mixed_labels", "numbers_as_labels", "joined_labels", "truncated", "unknown_tokens", "foreign_text", "special_tokens",
    "very_short", "quoted_texts",
}  # fmt: skip


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def findings_of(encoder, tmp_path):
    def find(max_length: int = 16, names: str = "ab", **more: list[tuple[str, str]]) -> dict[str, DataFinding]:
        data = {"source": "files", "max_length": max_length}
        for name, rows in CLEAN.items():
            path = tmp_path / f"{name}.jsonl"
            rows = [(text, names["ab".index(label)]) for text, label in rows] + more.get(name, [])
            lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
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


def test_unknown_subwords_are_found_when_they_are_many(findings_of):
    found = findings_of(validation=[("the film はい was good ☃", "a")])
    assert set(found) == {"unknown_tokens"}
    assert found["unknown_tokens"].split == "validation"
    assert found["unknown_tokens"].count == 2
    assert found["unknown_tokens"].examples == ("validation.jsonl:11: the film はい was good ☃",)


def test_very_short_texts_are_found(findings_of):
    found = findings_of(train=[("!! :-) ok", "a"), ("bad", "b")])
    assert set(found) == {"very_short"}
    assert found["very_short"].examples == ("train.jsonl:21: !! :-) ok",)


def test_a_text_of_train_with_another_label_elsewhere_is_a_conflict_and_no_mere_overlap(findings_of):
    found = findings_of(validation=[("the film was good 7", "a"), ("the film was good 8", "a")])
    assert set(found) == {"overlap", "conflicting_overlap"}
    assert (found["overlap"].count, found["conflicting_overlap"].count) == (2, 1)
    assert found["conflicting_overlap"].names == ("train",)
    assert found["conflicting_overlap"].examples == ("validation.jsonl:11: the film was good 7",)


@pytest.mark.parametrize("other", ["A", "a\u200b", "\u0430", "\uff41"])  # case, zero width, Cyrillic a, full width
def test_labels_that_a_reader_takes_for_one_are_found(findings_of, other):
    found = findings_of(train=[(f"never boring {i}", other) for i in range(8)])
    assert set(found) == {"look_alike_labels"}
    assert found["look_alike_labels"].count == 2
    assert "'a' (10) and " in found["look_alike_labels"].examples[0]


def test_labels_that_are_nearly_as_many_as_the_examples_are_found(findings_of):
    found = findings_of(train=[(f"never boring {i}", f"id{i}") for i in range(25)])
    assert set(found) == {"many_labels", "class_balance"}
    assert (found["many_labels"].count, found["many_labels"].numbers) == (27, {"n_examples": 45})


def test_a_name_among_numbers_is_found(findings_of):
    found = findings_of(names="01", train=[(f"never boring {i}", "one") for i in range(4)])
    assert set(found) == {"mixed_labels"}
    assert found["mixed_labels"].examples == ("'one' (4)",)


def test_booleans_beside_numbers_are_found(findings_of):
    found = findings_of(names="01", train=[(f"never boring {i}", i % 2 == 0) for i in range(8)])
    assert set(found) == {"mixed_labels"}
    assert found["mixed_labels"].examples == ("'true' (4)", "'false' (4)")


def test_numbers_with_decimals_are_asked_about(findings_of):
    assert set(findings_of(names="01", train=[(f"never boring {i}", "1.45") for i in range(4)])) == {"numbers_as_labels"}


def test_labels_that_join_others_are_asked_about(findings_of):
    found = findings_of(train=[(f"never boring {i}", "b,a") for i in range(4)])
    assert set(found) == {"joined_labels"}
    assert (found["joined_labels"].names, found["joined_labels"].examples) == ((",",), ("'b,a' (4)",))


def test_texts_with_the_name_of_a_control_token_are_found(findings_of):
    found = findings_of(train=[("good [SEP] the film [MASK]", "a"), ("[sep]", "b")])
    assert set(found) == {"special_tokens"}
    assert (found["special_tokens"].count, found["special_tokens"].names) == (1, ("[SEP]", "[MASK]"))


def test_words_in_many_more_subwords_than_usual_are_found(findings_of, monkeypatch):
    monkeypatch.setattr(prepare_study_data, "tokenizer_facts", lambda directory: TokenizerFacts(mean_length=6.0))
    found = findings_of(max_length=60, validation=[(f"{word} zq" * 6, "a") for word in ("xkcdyz", "mnopqr", "stuvwx")])
    assert set(found) == {"foreign_text"}
    assert found["foreign_text"].split == "validation"
    assert found["foreign_text"].numbers["rate"] > 3 * found["foreign_text"].numbers["usual"]


def test_quotes_that_stay_in_the_texts_of_tsv_are_found(encoder, tmp_path):
    data = {"source": "files", "max_length": 16}
    for name, rows in CLEAN.items():
        path = tmp_path / f"{name}.tsv"
        quote = '"' if name == "train" else ""
        path.write_text("text\tlabel\n" + "".join(f"{quote}{text}{quote}\t{label}\n" for text, label in rows))
        data[name] = str(path)
    for quoting, expected in ((None, {"quoted_texts"}), ("double", set())):
        asked = {"name": "s", "data": data | {"quoting": quoting}, "encoder": {"path": str(encoder)}, "arms": {"full": {}}}
        found = prepare_data(parse_study(asked), home_dir=tmp_path).findings
        assert {finding.check for finding in found} - {"unknown_tokens"} == expected


def test_a_label_spelled_as_two_numbers_in_csv_is_found(encoder, tmp_path):
    rows = [(f"the film was good {i}", ("1", "0", "1.0")[i % 3]) for i in range(30)]
    (tmp_path / "train.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    data = {"source": "files", "train": str(tmp_path / "train.csv"), "max_length": 16}
    asked = {"name": "s", "data": data, "encoder": {"path": str(encoder)}, "arms": {"full": {}}}
    found = {finding.check: finding for finding in prepare_data(parse_study(asked), home_dir=tmp_path).findings}
    assert found["look_alike_labels"].count == 2
    assert {part.split()[0] for part in found["look_alike_labels"].examples[0].split(" and ")} == {"'1'", "'1.0'"}


def test_every_check_of_the_table_is_tested_here():
    source = Path(__file__).read_text()
    code = "".join(inspect.getsource(check) for check in ALIGNMENTS["classification"].checks)
    assert set(re.findall(r'check="(\w+)"', code)) == FOUND
    assert all(f'{{"{name}"' in source or f', "{name}"}}' in source for name in FOUND)
