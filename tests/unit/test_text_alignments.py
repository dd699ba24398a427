"""Texts with any number of labels, texts with a number, and pairs whose order means nothing: read, refused, stored, checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bertft_core.config import StudyConfig, UserError, parse_study
from bertft_core.data import hub_data
from bertft_core.data.alignment import ALIGNMENTS, multi_label, regression
from bertft_core.data.examples import SourceLocation
from bertft_core.data.prepare_study_data import prepare_data
from bertft_core.data.prepared_split import open_split
from bertft_core.data.sources import read_splits
from bertft_core.data.study_checks import refuse_missing_labels
from bertft_core.metrics import METRICS
from bertft_core.records import DataFinding
from tests.helpers.tiny_encoders import tiny_encoder

HERE = SourceLocation("some.csv", 7)
TEXTS = [f"the film was {word} {i}" for i in range(6) for word in ("good", "bad", "great", "awful")]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def study_of(encoder, tmp_path):
    """A study of rows in JSONL files: one label, or with text, for each example."""

    def make(head: str, *, data: dict[str, Any] | None = None, **splits: list[Any]) -> StudyConfig:
        files = {}
        for name, rows in splits.items():
            texts = zip(TEXTS, rows, strict=False)
            objects = [row if isinstance(row, dict) else {"text": f"{text} of {name}", "label": row} for text, row in texts]
            files[name] = str(tmp_path / f"{name}.jsonl")
            Path(files[name]).write_text("".join(json.dumps(row) + "\n" for row in objects))
        values = {"source": "files", "max_length": 32, **files, **(data or {})}
        return parse_study({"name": "s", "data": values, "head": head, "encoder": {"path": str(encoder)}, "arms": {"full": {}}})

    return make


@pytest.fixture
def findings_of(study_of, tmp_path):
    def find(head: str, **splits: list[Any]) -> dict[tuple[str, str], DataFinding]:
        card = prepare_data(study_of(head, **splits), home_dir=tmp_path / "home")
        return {(finding.check, finding.split): finding for finding in card.findings}

    return find


# Any number of labels


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        (["b", "a"], ("a", "b")),
        ([], ()),
        (["a", "a"], ("a",)),
        ([3, True], ("3", "true")),
        (("x, y",), ("x, y",)),
        ("b; a", ("a", "b")),
        ("a", ("a",)),
        ("", ()),
        ("  ", ()),
        (4, ("4",)),
    ],
)
def test_the_labels_of_a_cell_are_a_list_or_a_text_with_separators(cell, labels):
    assert multi_label.labels_of(cell, "label", ";", HERE) == labels


@pytest.mark.parametrize("cell", [None, float("nan"), 0.5, {"a": 1}, ["a", None], [["a"]], ["a", ""], "a;;b", "a;", ";", [1.5]])
def test_a_cell_that_holds_no_labels_is_refused_with_file_and_line(cell):
    with pytest.raises(UserError) as caught:
        multi_label.labels_of(cell, "topics", ";", HERE)
    assert (caught.value.path, caught.value.line) == HERE
    assert "'topics'" in caught.value.problem
    assert caught.value.hint


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
def test_labels_are_the_same_from_every_format(tmp_path, form):
    rows = [("it was good", ["b", "a"]), ("it was bad", []), ("not good, not bad", ["c"])]
    path = tmp_path / f"train.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps({"text": text, "tags": tags}) + "\n" for text, tags in rows))
    elif form == "parquet":
        parquet.write_table(pa.table({"text": [text for text, _ in rows], "tags": [tags for _, tags in rows]}), path)
    else:
        path.write_text("text,tags\n" + "".join(f'"{text}",{"|".join(tags)}\n' for text, tags in rows))
    data = {"source": "files", "train": str(path), "label": "tags", "label_separator": "|"}
    study = parse_study({"name": "s", "data": data, "head": "multi_label", "arms": {"full": {}}})
    read = read_splits(study.data, "multi_label")["train"]
    assert [example.label for example in read.examples] == [("a", "b"), (), ("c",)]


def test_class_labels_of_the_hub_become_their_names(monkeypatch):
    datasets = pytest.importorskip("datasets")
    names = datasets.ClassLabel(names=["anger", "joy", "fear"])
    features = datasets.Features({"text": datasets.Value("string"), "labels": datasets.List(names)})
    rows = {"text": ["a", "b", "c"], "labels": [[1, 0], [], [2]]}
    monkeypatch.setattr(hub_data, "_load", lambda data: {"train": datasets.Dataset.from_dict(rows, features=features)})
    data = {"source": "hub", "name": "some/emotions", "label": "labels", "validation": None}
    study = parse_study({"name": "s", "data": data, "head": "multi_label", "arms": {"full": {}}})
    read = read_splits(study.data, "multi_label")["train"]
    assert [example.label for example in read.examples] == [("anger", "joy"), (), ("fear",)]


def test_the_table_holds_a_cell_for_each_label_of_train(study_of, tmp_path):
    rows = [["b"], ["a", "c"], [], ["c", "b"]]
    card = prepare_data(study_of("multi_label", train=rows, validation=[["a"], []]), home_dir=tmp_path / "home")
    split = open_split(card.directory, "train")
    assert card.labels == ("a", "b", "c")
    assert split.matrix("label").tolist() == [[0, 1, 0], [1, 0, 1], [0, 0, 0], [0, 1, 1]]
    assert split.matrix("label").dtype == np.int8
    assert open_split(card.directory, "validation").matrix("label").tolist() == [[1, 0, 0], [0, 0, 0]]
    assert card.splits["train"].label_counts == {"a": 1, "b": 2, "c": 2}
    gold = ALIGNMENTS["multi_label"].gold(split)
    assert gold.column_names == ["example_id", "label"]
    assert gold.schema.field("label").type == pa.list_(pa.int8(), 3)
    assert METRICS["multi_label"].majority(gold, gold, card.labels) == card.splits["train"].constant_scores


def test_given_labels_keep_their_order(study_of, tmp_path):
    study = study_of("multi_label", train=[["b"], ["a"]], validation=[["a"]], data={"labels": ["b", "a", "z"]})
    card = prepare_data(study, home_dir=tmp_path / "home")
    assert card.labels == ("b", "a", "z")
    assert open_split(card.directory, "train").matrix("label").tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("splits", "data", "problem", "place"),
    [
        (
            {"train": [["a"], ["b"]], "validation": [["a"], ["a", "b", "c"]]},
            {},
            "'c' occurs in validation but never",
            "validation:2",
        ),
        ({"train": [["a"], ["b", "x"]], "validation": [["a"]]}, {"labels": ["a", "b"]}, "unknown label 'x'", "train:2"),
        ({"train": [["a"], [], ["a"]], "validation": [["a"]]}, {}, "has only one label", "train:1"),
        ({"train": [[], []], "validation": [["a"]]}, {}, "has no labels", "train:1"),
        ({"train": [["a"], ["b"], None], "validation": [["a"]]}, {}, "labels in column 'label' are missing", "train:3"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused_with_file_and_line(study_of, tmp_path, splits, data, problem, place):
    with pytest.raises(UserError, match=problem) as caught:
        prepare_data(study_of("multi_label", data=data, **splits), home_dir=tmp_path)
    name, line = place.split(":")
    assert (caught.value.path, caught.value.line) == (str(tmp_path / f"{name}.jsonl"), int(line))


def test_labels_that_are_never_or_always_on_are_found(findings_of):
    found = findings_of("multi_label", train=[["a", "b"], ["b"], ["a", "b"]], validation=[["a"], []])
    assert set(found) == {("always_on", "train"), ("never_on", "validation")}
    assert found["always_on", "train"].names == ("b",)
    assert found["never_on", "validation"].count == 1


def test_copies_with_other_labels_are_found_whatever_the_order_of_the_labels(findings_of):
    same, other = {"text": "a film", "label": ["b", "a"]}, {"text": "A  film", "label": ["b"]}
    rest = [["a"], ["b"]]
    assert set(findings_of("multi_label", train=[*rest, same, same | {"label": ["a", "b"]}], validation=rest)) == {
        ("duplicates", "train")
    }
    found = findings_of("multi_label", train=[*rest, same, other], validation=rest)
    assert set(found) == {("duplicates", "train"), ("conflicting_labels", "train")}
    assert found["conflicting_labels", "train"].examples == ("train.jsonl:4: A film",)


# A number


@pytest.mark.parametrize(
    ("cell", "number"), [(3, 3.0), (-0.5, -0.5), ("2.75", 2.75), (" 4 ", 4.0), ("1e2", 100.0), ("-3", -3.0), (0, 0.0)]
)
def test_a_number_is_an_int_a_float_or_a_text_that_is_one(cell, number):
    read = regression.number_of(cell, "score", HERE)
    assert read == number
    assert isinstance(read, float)


@pytest.mark.parametrize(
    "cell",
    [
        "NaN",
        "inf",
        "-Infinity",
        float("nan"),
        float("inf"),
        1e39,
        "1e39",
        10**400,
        True,
        [1],
        {"a": 1},
        "3,5",
        "1_000",
        "three",
        "4/5",
    ],
)
def test_what_is_no_finite_number_is_refused_with_file_and_line(cell):
    with pytest.raises(UserError, match="'score' is not a finite number") as caught:
        regression.number_of(cell, "score", HERE)
    assert (caught.value.path, caught.value.line) == HERE
    assert caught.value.found


@pytest.mark.parametrize("cell", [None, "", "  "])
def test_a_missing_number_is_refused_with_file_and_line(cell):
    with pytest.raises(UserError, match="'score' is missing") as caught:
        regression.number_of(cell, "score", HERE)
    assert (caught.value.path, caught.value.line) == HERE


def test_the_line_of_a_wrong_number_is_that_in_the_file(study_of, tmp_path):
    with pytest.raises(UserError, match="not a finite number") as caught:
        prepare_data(study_of("regression", train=[1, 2.5, "x"], validation=[1]), home_dir=tmp_path)
    assert (caught.value.path, caught.value.line) == (str(tmp_path / "train.jsonl"), 3)


def test_the_table_holds_the_raw_numbers(study_of, tmp_path):
    card = prepare_data(study_of("regression", train=[1, 2.5, 0.1, "4"], validation=[2, 3]), home_dir=tmp_path / "home")
    split = open_split(card.directory, "train")
    assert card.labels == ()
    assert split.values("label").tolist() == [1.0, 2.5, 0.1, 4.0]
    assert split.values("label").dtype == np.float64
    assert card.splits["train"].label_counts == {}
    scores = card.splits["validation"].constant_scores
    assert scores["pearson"] == 0.0
    assert scores["mse"] == pytest.approx(((1.9 - 2) ** 2 + (1.9 - 3) ** 2) / 2)


def test_a_training_set_of_one_number_is_refused(study_of, tmp_path):
    with pytest.raises(UserError, match="all training numbers are equal") as caught:
        prepare_data(study_of("regression", train=[2, 2.0, "2"], validation=[1, 2]), home_dir=tmp_path)
    assert (caught.value.path, caught.value.line) == (str(tmp_path / "train.jsonl"), 1)


def test_numbers_that_single_precision_blurs_are_refused(study_of, tmp_path):
    for close in ([1e6, 1e6 + 0.5, 1e6 + 1], [1e-60, 2e-60, 3e-60]):
        with pytest.raises(UserError, match="differ too little for their size") as caught:
            prepare_data(study_of("regression", train=close, validation=close), home_dir=tmp_path)
        assert (caught.value.path, caught.value.line) == (str(tmp_path / "train.jsonl"), 1)
    assert "at 3e-60 single precision has steps of 1.4e-45" in caught.value.found
    for apart in ([1e6, 1e6 + 5, 1e6 + 10], [-3e38, 1, 3.4e38]):
        prepare_data(study_of("regression", train=apart, validation=[1e6, 1e6 + 1]), home_dir=tmp_path)


def test_a_set_with_one_number_only_is_reported(findings_of):
    found = findings_of("regression", train=[1, 2, 3, 4], validation=[3, 3, 3.0])
    assert found["constant_numbers", "validation"].numbers == {"value": 3.0}


def test_numbers_outside_those_of_train_are_found(findings_of):
    assert findings_of("regression", train=[1, 2, 3, 4], validation=[1, 4]) == {}
    found = findings_of("regression", train=[1, 2, 3, 4], validation=[0.5, 4, 4.5, 2])
    assert set(found) == {("beyond_train", "validation")}
    finding = found["beyond_train", "validation"]
    assert finding.count == 2
    assert finding.count == 2
    assert finding.numbers == {"n": 4, "low": 0.5, "high": 4.5, "train_low": 1, "train_high": 4}
    assert [place.partition(": ")[0] for place in finding.examples] == ["validation.jsonl:1", "validation.jsonl:3"]


@pytest.mark.parametrize(("far", "is_found"), [(13, False), (13.5, True), (-9, False), (-9.5, True)])
def test_numbers_more_than_five_ranges_beyond_the_quartiles_of_train_are_found(findings_of, far, is_found):
    train = [1, 1, 1, 1, 3, 3, 3, far]
    assert np.percentile(train, [25, 75]).tolist() == ([1, 3])
    found = findings_of("regression", train=train, validation=[1, 3])
    assert set(found) == ({("outliers", "train")} if is_found else set())
    if is_found:
        assert found["outliers", "train"].examples == (f"train.jsonl:8: {TEXTS[7]} of train",)


def test_copies_with_other_numbers_are_found(findings_of):
    rows = [{"text": "a film", "label": 2}, {"text": "a  FILM", "label": 2.5}]
    assert ("conflicting_labels", "train") in findings_of("regression", train=[1, 3, *rows], validation=[1])
    assert ("conflicting_labels", "train") not in findings_of("regression", train=[1, 3, rows[0], rows[0]], validation=[1])


# Pairs in both orders


def pairs(n: int, label: Any) -> list[dict[str, Any]]:
    return [{"text": f"the film {i}", "other": f"a cast {i}", "label": label(i)} for i in range(n)]


LABEL_OF = {"classification": lambda i: "ab"[i % 2], "multi_label": lambda i: ["ab"[i % 2]], "regression": lambda i: i / 2}
SYMMETRIC = {"text": ["text", "other"], "symmetric": True}


@pytest.mark.parametrize("head", LABEL_OF)
def test_symmetric_pairs_are_learned_in_both_orders_and_scored_in_their_own(study_of, tmp_path, head):
    rows = pairs(8, LABEL_OF[head])
    study = study_of(head, train=rows, validation=rows[:4], data=SYMMETRIC)
    card = prepare_data(study, home_dir=tmp_path / "home")
    train, validation = open_split(card.directory, "train"), open_split(card.directory, "validation")
    assert (train.n, validation.n) == (16, 4)
    assert [train.texts(i) for i in range(8, 16)] == [train.texts(i)[::-1] for i in range(8)]
    assert train.example_ids[8:] == [f"{name}-swapped" for name in train.example_ids[:8]]
    labels = train.table["label"].to_pylist()
    assert labels[8:] == labels[:8]
    ids, types = train.input_ids(0), train.token_type_ids(0)
    middle = int(np.flatnonzero(types)[0])
    assert types.tolist() == [0] * middle + [1] * (len(ids) - middle)
    assert train.input_ids(8).tolist() == [ids[0], *ids[middle:], *ids[1:middle]]
    assert card.splits["train"].origin.both_orders
    assert {finding.check for finding in card.findings} == {"overlap"}


def test_a_pair_is_not_cut_apart_from_its_mirror_image(study_of, tmp_path):
    rows = [row for i in range(12) for row in (lambda a, b: (a, b))(*mirrored(i))]
    card = prepare_data(study_of("regression", train=rows[:24], data=SYMMETRIC), home_dir=tmp_path / "home")
    sides = []
    for name in ("train", "validation"):
        split = open_split(card.directory, name)
        sides.append({frozenset(split.texts(i)) for i in range(split.n)})
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize("head", LABEL_OF)
def test_a_pair_with_one_empty_text_is_refused_or_kept(study_of, tmp_path, head):
    rows = pairs(8, LABEL_OF[head])
    rows[2]["other"] = " "
    columns = {"text": ["text", "other"]}
    with pytest.raises(UserError, match="the text in column 'other' is empty"):
        prepare_data(study_of(head, train=rows, validation=rows[4:], data=columns), home_dir=tmp_path / "home")
    kept = {**columns, "empty_texts": "keep"}
    card = prepare_data(study_of(head, train=rows, validation=rows[4:], data=kept), home_dir=tmp_path / "home")
    train = open_split(card.directory, "train")
    assert train.texts(2) == ("the film 2", "")
    separator = train.input_ids(2)[-1]
    assert train.input_ids(2)[-2] == separator != train.input_ids(1)[-2]
    assert ("very_short", "train") in {(finding.check, finding.split) for finding in card.findings}


@pytest.mark.parametrize("cells", [("", " "), ("a film", None), ("a film", 3)])
def test_a_pair_with_nothing_to_read_is_refused_anyway(study_of, cells):
    study = study_of("classification", train=[], data={"text": ["text", "other"], "empty_texts": "keep"})
    with pytest.raises(UserError, match=r"is empty|is not a text"):
        ALIGNMENTS["classification"].reader(study.data)("train-0", (*cells, "a"), HERE)


def test_a_text_alone_is_never_kept_empty(study_of):
    with pytest.raises(UserError, match="a single empty text"):
        study_of("classification", train=[], data={"empty_texts": "keep"})


def mirrored(i: int) -> tuple[dict[str, Any], dict[str, Any]]:
    row = {"text": f"the film {i}", "other": f"a cast {i}", "label": i / 2}
    return row, row | {"text": row["other"], "other": row["text"]}


# Texts to predict


@pytest.mark.parametrize(
    ("kind", "expected"), [("classification", [-1, -1]), ("multi_label", [[0, 0], [0, 0]]), ("regression", [None, None])]
)
def test_examples_without_labels_are_read_and_stored(encoder, kind, expected):
    from transformers import AutoTokenizer

    data = parse_study({"name": "s", "data": {"source": "files", "train": "t.csv"}, "arms": {"full": {}}}).data
    read = ALIGNMENTS[kind].reader(data, labelled=False)
    examples = [read(f"predict-{i}", (text, None), HERE) for i, text in enumerate(("a film", "a cast"))]
    assert [example.label for example in examples] == [None, None]
    table = ALIGNMENTS[kind].tokenise(AutoTokenizer.from_pretrained(encoder), examples, ("a", "b"), data, True)
    found = [None if value != value else value for value in table["label"].to_pylist()]
    assert found == expected


@pytest.mark.parametrize("cell", ["['a', 'b']", '["a", "b"]', "[0, 3]", "[]"])
@pytest.mark.parametrize("head", ["classification", "multi_label"])
def test_a_list_written_as_text_is_no_class(study_of, tmp_path, head, cell):
    study = study_of(head, train=["a", "b", cell, "a"], validation=["a", "b"])
    with pytest.raises(UserError) as caught:
        prepare_data(study, home_dir=tmp_path)
    assert (caught.value.code, caught.value.line) == ("data.list-written-as-text", 3)


def test_weights_of_zero_for_every_class_are_refused():
    arms = {"none": {"strategies": [{"kind": "class_weights", "weights": {"a": 0.0, "b": 0.0}}]}}
    study = parse_study({"name": "s", "data": {"source": "bundled", "name": "reviews"}, "arms": arms})
    refuse_missing_labels(study, ("a", "b", "c"))
    with pytest.raises(UserError, match="weights every label with 0") as caught:
        refuse_missing_labels(study, ("a", "b"))
    assert caught.value.code == "strategy.does-not-fit-data"
