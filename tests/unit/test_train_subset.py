"""Subsets of a training set: nested, with the labels in their proportions, and decided by their seed alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertft_core.data.prepared_split import PreparedSplit
from bertft_core.data.train_subset import label_quotas, subset_rows

COUNTS = st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(lambda counts: sum(counts) > 1)
SEEDS = st.integers(0, 2**53 - 1)


def classes_of(counts, seed=0):
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(seed).permutation(labels)


@given(COUNTS, st.data())
def test_a_smaller_quota_is_never_larger_and_every_label_has_about_its_share(counts, data):
    whole, present = sum(counts), sum(count > 0 for count in counts)
    n = data.draw(st.integers(0, whole))
    quotas = label_quotas(counts, n)
    assert quotas.sum() == n
    assert (quotas <= counts).all()
    if n < whole:
        assert (label_quotas(counts, n + 1) - quotas >= 0).all()
    if n >= present:
        assert all(quota >= (count > 0) for quota, count in zip(quotas, counts, strict=True))
    exact = np.array(counts) * n / whole
    assert (np.abs(quotas - exact) <= 1 + present / 2).all()


@given(COUNTS, SEEDS, st.data())
def test_the_smaller_subset_is_inside_the_larger(counts, seed, data):
    classes = data.draw(st.sampled_from([classes_of(counts), None]))
    n_rows = sum(counts)
    larger = data.draw(st.integers(1, n_rows))
    smaller = data.draw(st.integers(1, larger))
    rows = subset_rows(n_rows, classes, larger, seed)
    assert set(subset_rows(n_rows, classes, smaller, seed)) <= set(rows)
    assert len(set(rows)) == larger
    assert (np.sort(rows) == rows).all()
    if classes is not None:
        assert (np.bincount(classes[rows], minlength=len(counts)) == label_quotas(counts, larger)).all()


@pytest.mark.parametrize("classes", [None, classes_of([30, 30])])
def test_the_seed_decides_and_the_global_generator_does_not(classes):
    np.random.seed(1)
    first = subset_rows(60, classes, 20, 5)
    np.random.seed(2)
    assert (subset_rows(60, classes, 20, 5) == first).all()
    assert (subset_rows(60, classes, 20, 6) != first).any()


def test_every_example_of_a_label_is_as_likely_as_any_other():
    classes = classes_of([12, 4])
    drawn = np.zeros(16)
    for seed in range(2000):
        drawn[subset_rows(16, classes, 8, seed)] += 1
    assert drawn / 2000 == pytest.approx(0.5, abs=0.05)


def test_equal_labels_have_equal_shares_and_rare_ones_at_least_one():
    assert label_quotas([100, 100], 51).tolist() == [26, 25]
    assert label_quotas([90, 9, 1], 10).tolist() == [8, 1, 1]
    assert label_quotas([90, 9, 1], 100).tolist() == [90, 9, 1]


def split_of(n):
    rows = [list(range(i + 1)) for i in range(n)]
    table = pa.table({"input_ids": pa.array(rows, pa.list_(pa.int32())), "label": pa.array(range(n), pa.int32())})
    return PreparedSplit(table.replace_schema_metadata({"pad_token_id": "7", "n_special": "2"}).combine_chunks(), "train")


def test_a_subset_of_a_split_has_its_rows_and_metadata():
    whole = split_of(6)
    part = whole.subset(np.array([1, 4]))
    assert (part.name, part.n, part.pad_token_id) == ("train", 2, 7)
    assert part.labels.tolist() == [1, 4]
    assert part.input_ids(1).tolist() == [0, 1, 2, 3, 4]
    assert part.lengths.tolist() == [2, 5]
    assert whole.subset(np.arange(6)) is whole
