"""The bundled reviews are what their card says: sizes, balance, and no two texts that are nearly the same."""

from __future__ import annotations

import itertools
import json
import re

import pytest

from bertft_core.config.data import BundledData
from bertft_core.data.bundled import BUNDLED, BUNDLED_DIR, bundled_files
from bertft_core.data.sources import read_splits

N_EXAMPLES = {"train": 480, "validation": 160, "test": 160, "reviews_other_domain": 120}
MAX_JACCARD = 0.6
KINDS = {"plain", "negation", "irony", "mixed", "understated"}


@pytest.fixture(scope="module")
def reviews():
    return read_splits(BundledData(source="bundled", name="reviews"))


def test_the_reviews_have_their_sizes_and_are_balanced(reviews):
    assert {name: len(split.examples) for name, split in reviews.items()} == N_EXAMPLES
    for name, split in reviews.items():
        assert split.label_counts["positive"] == split.label_counts["negative"] == N_EXAMPLES[name] / 2
        assert split.origin == f"bundled reviews/{name}"


def test_no_two_reviews_are_nearly_the_same(reviews):
    examples = [example for split in reviews.values() for example in split.examples]
    words = [frozenset(re.findall(r"[\w']+", example.texts[0].casefold())) for example in examples]
    assert len({example.key for example in examples}) == len(examples) == sum(N_EXAMPLES.values())
    near = [
        (examples[i].id, examples[j].id)
        for i, j in itertools.combinations(range(len(words)), 2)
        if len(words[i] & words[j]) > MAX_JACCARD * len(words[i] | words[j])
    ]
    assert near == []


def test_every_review_says_what_kind_it_is():
    lines = [line for path in bundled_files("reviews").values() for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [json.loads(line) for line in lines]
    assert len(rows) == sum(N_EXAMPLES.values())
    assert {tuple(row) for row in rows} == {("text", "label", "kind")}
    assert {row["kind"] for row in rows} == KINDS


def test_every_bundled_set_has_its_files_and_a_card_with_its_licence():
    folders = {path.name for path in BUNDLED_DIR.iterdir() if path.is_dir()}
    assert folders == set(BUNDLED)
    for name in BUNDLED:
        files = bundled_files(name)
        assert {path.name for path in files.values()} == {path.name for path in (BUNDLED_DIR / name).iterdir()} - {"CARD.md"}
        assert "CC0" in (BUNDLED_DIR / name / "CARD.md").read_text(encoding="utf-8")
