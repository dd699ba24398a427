"""Splits are cut by label and seed alone, and labels that cannot be learned are refused."""

from __future__ import annotations

import random

import pytest

from bertft_core.config import UserError
from bertft_core.config.data_settings import SplitConfig
from bertft_core.data.examples import RawSplit
from bertft_core.data.labels import agree_on_labels
from bertft_core.data.splits import cut_missing, subsample
from bertft_core.records.data_card import SplitOrigin
from tests.helpers.raw_splits import TRAIN, ids, raw


def test_a_missing_validation_set_is_cut_in_proportion():
    made = cut_missing({"train": TRAIN}, SplitConfig(validation_ratio=0.2), 0)
    assert list(made) == ["train", "validation"]
    assert made["validation"].label_counts == {"a": 12, "b": 6, "c": 2}
    assert made["train"].label_counts == {"a": 48, "b": 24, "c": 8}
    assert sorted(ids(made["train"]) + ids(made["validation"])) == ids(TRAIN)
    assert ids(made["validation"]) == sorted(ids(made["validation"]))
    assert made["validation"].origin.cut_from_train


def test_a_test_set_is_cut_only_when_asked_for_and_leaves_the_validation_set_as_it_was():
    without = cut_missing({"train": TRAIN}, SplitConfig(), 0)
    with_test = cut_missing({"train": TRAIN}, SplitConfig(test_ratio=0.1), 0)
    assert list(with_test) == ["train", "validation", "test"]
    assert ids(with_test["validation"]) == ids(without["validation"])
    assert len(with_test["test"].examples) == 10
    assert not set(ids(with_test["test"])) & set(ids(with_test["validation"]) + ids(with_test["train"]))


def test_given_splits_are_kept_in_a_fixed_order():
    splits = {"far": TRAIN, "test": TRAIN, "validation": TRAIN, "train": TRAIN}
    made = cut_missing(splits, SplitConfig(test_ratio=0.1), 0)
    assert list(made) == ["train", "validation", "test", "far"]
    assert all(split is TRAIN for split in made.values())


def test_the_cut_follows_the_seed_and_not_the_order_of_the_rows():
    shuffled = list(TRAIN.examples)
    random.Random(1).shuffle(shuffled)
    again = cut_missing({"train": RawSplit(tuple(shuffled), "", SplitOrigin(path=""))}, SplitConfig(), 0)
    made = cut_missing({"train": TRAIN}, SplitConfig(), 0)
    other = cut_missing({"train": TRAIN}, SplitConfig(), 1)
    assert set(ids(again["validation"])) == set(ids(made["validation"]))
    assert ids(other["validation"]) != ids(made["validation"])


def test_copies_of_a_text_stay_on_one_side():
    texts = [f"Text {i // 2}" + " " * (i % 2) for i in range(40)]
    made = cut_missing({"train": raw("train", ["a", "a", "b", "b"] * 10, texts)}, SplitConfig(validation_ratio=0.3), 3)
    sides = [{example.key for example in made[name].examples} for name in ("train", "validation")]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize("config", [SplitConfig(), SplitConfig(validation_ratio=0.9, test_ratio=0.9)])
def test_too_few_examples_of_a_label_are_refused(config):
    with pytest.raises(UserError, match="'b' has too few") as caught:
        cut_missing({"train": raw("train", ["a"] * 10 + ["b"])}, config, 0)
    assert caught.value.path == "train.csv"
    assert caught.value.line == 12


def test_ratios_that_leave_nothing_to_learn_from_are_refused():
    with pytest.raises(UserError, match="too few"):
        cut_missing({"train": TRAIN}, SplitConfig(validation_ratio=0.5, test_ratio=0.5), 0)


def test_a_subsample_has_the_size_and_the_proportions_asked_for():
    kept = subsample({"train": TRAIN}, {"train": 20}, 0)["train"]
    assert kept.label_counts == {"a": 12, "b": 6, "c": 2}
    assert kept.origin.subsampled_to == 20
    assert ids(kept) == ids(subsample({"train": TRAIN}, {"train": 20}, 0)["train"])
    assert ids(kept) != ids(subsample({"train": TRAIN}, {"train": 20}, 1)["train"])


def test_a_subsample_of_everything_is_everything_and_an_unknown_split_is_refused():
    assert subsample({"train": TRAIN}, {"train": 100}, 0)["train"] is TRAIN
    with pytest.raises(UserError, match="'tests'"):
        subsample({"train": TRAIN}, {"tests": 5}, 0)


def test_labels_are_sorted_as_numbers_when_all_are_numbers():
    assert agree_on_labels({"train": raw("train", ["10", "9", "-1", "9"])}, None) == ("-1", "9", "10")
    assert agree_on_labels({"train": raw("train", ["9" * 5000, "8"])}, None) == ("8", "9" * 5000)
    assert agree_on_labels({"train": raw("train", ["10", "9", "x"])}, None) == ("10", "9", "x")
    assert agree_on_labels({"train": raw("train", ["b", "a"])}, ("b", "c", "a")) == ("b", "c", "a")


def test_an_unknown_label_is_refused_with_file_and_line():
    splits = {"train": raw("train", ["pos", "neg"]), "test": raw("test", ["pos", "ngt"])}
    with pytest.raises(UserError, match="unknown label 'ngt'") as caught:
        agree_on_labels(splits, ("neg", "pos"))
    assert (caught.value.path, caught.value.line) == ("test.csv", 3)
    assert caught.value.hint == "did you mean 'neg'?"


def test_a_label_that_is_never_learned_is_refused_with_file_and_line():
    splits = {"train": raw("train", ["a", "b"]), "validation": raw("validation", ["a", "b", "c"])}
    with pytest.raises(UserError, match="'c' occurs in validation but never in train") as caught:
        agree_on_labels(splits, None)
    assert (caught.value.path, caught.value.line) == ("validation.csv", 4)
    with pytest.raises(UserError, match="never in train"):
        agree_on_labels(splits, ("a", "b", "c"))


def test_one_label_alone_is_refused():
    with pytest.raises(UserError, match="only one label"):
        agree_on_labels({"train": raw("train", ["a", "a"])}, None)


@pytest.mark.parametrize(
    ("texts", "ratio", "advice"),
    [
        ([f"text {i % 4}" for i in range(20)], 0.2, "or raise data.split.validation_ratio (a text and its copies stay together"),
        ([f"text {i}" for i in range(20)], 0.99, "or reduce data.split.validation_ratio"),
        (["the same"] * 20, 0.2, "or give a file as data.validation"),
    ],
)
def test_the_advice_for_too_few_examples_helps(texts, ratio, advice):
    train = raw("train", ["a"] * 20 + ["b"] * 20, texts + [f"other {i}" for i in range(20)])
    with pytest.raises(UserError) as caught:
        cut_missing({"train": train}, SplitConfig(validation_ratio=ratio), 0)
    assert advice in caught.value.hint


def test_a_raised_ratio_cuts_what_a_smaller_one_could_not():
    train = raw("train", ["a"] * 20 + ["b"] * 20, [f"{label} {i % 4}" for label in "ab" for i in range(20)])
    assert len(cut_missing({"train": train}, SplitConfig(validation_ratio=0.26), 0)["validation"].examples) == 10
