"""Half of the validation set becomes the test set: by class and seed alone, and shown on the data card."""

from __future__ import annotations

import random

import pytest

from bertft_core.config import UserError
from bertft_core.data.examples import RawSplit
from bertft_core.data.splits import halve_validation
from bertft_core.records.data_card import SplitOrigin
from tests.helpers.raw_splits import TRAIN, ids, raw
from tests.helpers.small_configs import changed, load, refusal
from tests.helpers.tiny_studies import tiny_study

DEV = raw("validation", ["a"] * 10 + ["b"] * 5 + ["c"])
DATA = "{source: bundled, name: reviews}"


def halved(validation: RawSplit, seed: int = 0) -> dict[str, RawSplit]:
    return halve_validation({"train": TRAIN, "validation": validation, "far": TRAIN}, seed)


def test_every_class_is_halved_and_the_odd_one_stays_in_validation():
    made = halved(DEV)
    assert list(made) == ["train", "validation", "test", "far"]
    assert made["validation"].label_counts == {"a": 5, "b": 3, "c": 1}
    assert made["test"].label_counts == {"a": 5, "b": 2}
    assert sorted(ids(made["validation"]) + ids(made["test"])) == ids(DEV)
    assert [made[name].origin for name in ("validation", "test")] == [SplitOrigin(path="validation.csv", halved=True)] * 2
    assert made["train"] is made["far"] is TRAIN


def test_the_halves_follow_the_seed_and_not_the_order_of_the_rows():
    shuffled = list(DEV.examples)
    random.Random(1).shuffle(shuffled)
    again = halved(RawSplit(tuple(shuffled), "", SplitOrigin(path="")))
    assert sorted(ids(again["test"])) == ids(halved(DEV)["test"])
    assert ids(halved(DEV, 1)["test"]) != ids(halved(DEV)["test"])


def test_copies_of_a_text_are_not_torn_apart():
    texts = [f"text {i // 2}" for i in range(40)]
    made = halved(raw("validation", ["a"] * 40, texts))
    both = [{example.texts for example in made[name].examples} for name in ("validation", "test")]
    assert not both[0] & both[1]
    assert len(made["test"].examples) == 20


def test_a_test_set_that_there_is_stays_and_too_few_examples_are_refused():
    splits = {"train": TRAIN, "validation": DEV, "test": TRAIN}
    assert halve_validation(splits, 0) == splits
    with pytest.raises(UserError, match="too small to halve"):
        halved(raw("validation", ["a", "b"]))


def test_the_card_shows_both_halves(tmp_path):
    whole, card = tiny_study(tmp_path / "whole", data={"test": None})
    assert card.evaluated_splits == ("validation",)
    _, halves = tiny_study(tmp_path / "halved", data={"test": None, "split": {"halve_validation": True}})
    assert halves.evaluated_splits == ("validation", "test")
    n = {name: split.n_examples for name, split in halves.splits.items()}
    assert n["validation"] + n["test"] == card.splits["validation"].n_examples
    assert n["test"] == n["validation"] - 2  # two classes of five
    assert halves.splits["test"].origin.halved
    assert halves.fingerprint != card.fingerprint
    assert "halve_validation" not in whole.model_dump_json()


@pytest.mark.parametrize(
    ("data", "at"),
    [
        ("{source: files, train: t.csv, test: x.csv, split: {halve_validation: true}}", "data.split.halve_validation"),
        ("{source: files, train: t.csv, split: {halve_validation: true, test_ratio: 0.1}}", "data.split.test_ratio"),
    ],
)
def test_two_test_sets_are_refused(tmp_path, data, at):
    assert at in refusal(tmp_path, changed(DATA, data)).problem


def test_a_headline_on_the_half_is_a_split_of_the_data(tmp_path):
    data = "{source: files, train: t.csv, validation: v.csv, split: {halve_validation: true}, subsample: {test: 9}}"
    assert load(tmp_path, changed(DATA, data)).data.split.halve_validation
