"""The splits of a split design: what is tested, validated and trained on, and that nothing leaks between them."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from bertft_core.config import UserError
from bertft_core.config.data_settings import BundledData
from bertft_core.config.split_designs import Folds, OutOfBootstrap, Resamples
from bertft_core.data.examples import RawSplit
from bertft_core.data.split_draws import drawn_splits, pool_of
from tests.helpers.raw_splits import TRAIN, ids, raw

DATA = BundledData.model_validate({"source": "bundled", "name": "reviews"})
DESIGNS = (Folds(folds=5, repeats=2), Resamples(resamples=4, test_ratio=0.25), OutOfBootstrap(bootstrap=4))


def draw(design, whole=TRAIN, seed=0, others=None):
    return list(drawn_splits({"train": whole} | (others or {}), design, DATA, seed))


@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_the_parts_of_a_split_share_no_example_and_leave_none_out(design):
    for split in draw(design):
        train, validation, test = (set(ids(split[name])) for name in ("train", "validation", "test"))
        assert not train & validation
        assert not train & test
        assert not validation & test
        assert train | validation | test == set(ids(TRAIN))
        assert all(part.origin.cut_from_train for part in split.values())


def test_every_example_is_tested_once_in_each_repeat():
    splits = draw(Folds(folds=5, repeats=2))
    repeats = [splits[:5], splits[5:]]
    for folds in repeats:
        assert sorted(name for split in folds for name in ids(split["test"])) == sorted(ids(TRAIN))
        assert {len(ids(split["test"])) for split in folds} == {20}
    assert [ids(split["test"]) for split in repeats[0]] != [ids(split["test"]) for split in repeats[1]]


def test_every_part_has_the_labels_in_their_proportions():
    for split in draw(Folds(folds=5)):
        assert split["test"].label_counts == {"a": 12, "b": 6, "c": 2}
        assert split["validation"].label_counts == pytest.approx({"a": 9.6, "b": 4.8, "c": 1.6}, abs=1)


@pytest.mark.parametrize(
    ("fewer", "more"),
    [
        (Folds(folds=5), Folds(folds=5, repeats=3)),
        (Resamples(resamples=2), Resamples(resamples=5)),
        (OutOfBootstrap(bootstrap=2), OutOfBootstrap(bootstrap=5)),
    ],
    ids=str,
)
def test_more_splits_leave_the_earlier_ones_as_they_were(fewer, more):
    assert draw(more)[: fewer.n_splits] == draw(fewer)


@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_another_seed_draws_other_splits_and_the_order_of_the_source_none(design):
    assert draw(design, seed=1) != draw(design)
    turned = RawSplit(TRAIN.examples[::-1], TRAIN.path, TRAIN.origin)
    for split, of_turned in zip(draw(design), draw(design, turned), strict=True):
        for name, part in split.items():
            assert Counter(ids(of_turned[name])) == Counter(ids(part))


@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_copies_of_a_text_are_in_one_part_whatever_their_labels(design):
    texts = [f"text {i // 3}" for i in range(90)]
    whole = raw("train", ["a", "a", "b"] * 30, texts)
    text_of = dict(zip(ids(whole), texts, strict=True))
    for split in draw(design, whole):
        parts = [{text_of[name] for name in ids(part)} for part in split.values()]
        assert sum(map(len, parts)) == len(set.union(*parts))


def test_a_bootstrap_sample_repeats_what_it_has_drawn_twice_and_tests_what_it_has_not():
    for split in draw(OutOfBootstrap(bootstrap=3)):
        times = Counter(ids(split["train"]))
        assert max(times.values()) > 1
        assert 25 <= len(split["test"].examples) <= 50  # (1 - 1/n)^n of them, 37 %
        assert max(Counter(ids(split["validation"])).values()) == 1


def test_what_was_made_from_an_example_is_trained_on_with_it_and_nowhere_else():
    made = tuple(dataclasses.replace(e, id=f"{e.id}-swapped", source_id=e.id) for e in TRAIN.examples[::2])
    whole = RawSplit(TRAIN.examples + made, TRAIN.path, TRAIN.origin)
    sources = {e.id: e.source_id for e in made}
    for split, plain in zip(draw(Folds(folds=5), whole), draw(Folds(folds=5)), strict=True):
        train = ids(split["train"])
        assert {name for name in train if name in sources} == {name for name, of in sources.items() if of in train}
        assert [name for name in train if name not in sources] == ids(plain["train"])
        assert (split["validation"].examples, split["test"].examples) == (plain["validation"].examples, plain["test"].examples)


def test_a_rare_label_is_trained_on_before_it_is_validated():
    whole = raw("train", ["a"] * 30 + ["b"] * 2)
    for split in draw(Folds(folds=5), whole):
        assert "b" in split["train"].label_counts


def test_a_label_that_a_split_could_not_train_on_is_refused():
    with pytest.raises(UserError, match="no example of the label 'b'") as caught:
        draw(Folds(folds=5), raw("train", ["a"] * 30 + ["b"]))
    assert (caught.value.code, caught.value.line) == ("split.untrained-label", 32)


def test_more_folds_than_examples_are_refused():
    with pytest.raises(UserError, match="would have no") as caught:
        draw(Folds(folds=50), raw("train", ["a", "b"] * 10))
    assert caught.value.code == "split.empty-part"
    assert "draw fewer folds" in caught.value.hint


def test_a_test_set_of_nearly_all_examples_is_to_be_made_smaller():
    for labels in (["a"] * 30, ["a", "b"] * 20):
        with pytest.raises(UserError) as caught:
            draw(Resamples(resamples=2, test_ratio=0.97), raw("train", labels))
        assert "make seeds.design.split.test_ratio smaller" in caught.value.hint


def test_the_pool_is_the_training_set_and_out_of_domain_sets_stay():
    data = BundledData.model_validate({"source": "bundled", "name": "reviews", "subsample": {"train": 40}})
    given = {"train": TRAIN, "validation": raw("validation", ["a"]), "test": raw("test", ["a"]), "other": raw("other", ["b"])}
    pool = pool_of(given, data, 0)
    assert {name: len(split.examples) for name, split in pool.items()} == {"train": 40, "other": 1}
    for split in drawn_splits(pool, Folds(folds=2), data, 0):
        assert split["other"] is given["other"]


def test_a_further_example_without_a_source_is_refused():
    made = (dataclasses.replace(TRAIN.examples[0], id="extra0-00000", path="more.csv", line=2),)
    with pytest.raises(UserError, match="must name the example") as caught:
        draw(Folds(folds=5), RawSplit(TRAIN.examples + made, TRAIN.path, TRAIN.origin))
    assert (caught.value.code, caught.value.path, caught.value.line) == ("extra.no-source", "more.csv", 2)
