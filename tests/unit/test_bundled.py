"""The bundled sets are what their cards say: sizes, balance, and no two texts that are nearly the same."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from bertft_core.config.data_settings import BundledData
from bertft_core.data.alignment import token_classification
from bertft_core.data.alignment.answer_checks import agree_on_answers
from bertft_core.data.bundled import BUNDLED, BUNDLED_DIR, bundled_files
from bertft_core.data.sources import read_splits
from bertft_core.metrics.tag_schemes import decode, labels_of

N_EXAMPLES = {"train": 480, "validation": 160, "test": 160, "reviews_other_domain": 120}
MAX_JACCARD = 0.6
KINDS = {"plain", "negation", "irony", "mixed", "understated"}


def near_pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of texts whose sets of words have a Jaccard similarity above the limit."""
    words = [frozenset(re.findall(r"[\w']+", text)) for text in texts]
    column = {word: i for i, word in enumerate(sorted(frozenset().union(*words)))}
    has = np.zeros((len(words), len(column)))
    for row, of_text in zip(has, words, strict=True):
        row[[column[word] for word in of_text]] = 1
    shared, sizes = has @ has.T, has.sum(axis=1)
    near = shared > MAX_JACCARD * (sizes[:, None] + sizes - shared)
    return [(texts[i], texts[j]) for i, j in np.argwhere(np.triu(near, 1))]


def test_texts_are_near_by_the_words_that_they_share():
    texts = ["a b c d e f g h", "h g f e d c b a", "a b c d e f g x", "a b c d e x y z", ""]
    assert near_pairs(texts) == [(texts[0], texts[1]), (texts[0], texts[2]), (texts[1], texts[2])]


@pytest.fixture(scope="module")
def reviews():
    return read_splits(BundledData(source="bundled", name="reviews"))


def test_the_reviews_have_their_sizes_and_are_balanced(reviews):
    assert {name: len(split.examples) for name, split in reviews.items()} == N_EXAMPLES
    for name, split in reviews.items():
        assert split.label_counts["positive"] == split.label_counts["negative"] == N_EXAMPLES[name] / 2
        assert split.origin.path == f"bundled reviews/{name}"


def test_no_two_reviews_are_nearly_the_same(reviews):
    examples = [example for split in reviews.values() for example in split.examples]
    assert len({example.key for example in examples}) == len(examples) == sum(N_EXAMPLES.values())
    assert near_pairs([example.texts[0].casefold() for example in examples]) == []


def test_every_review_says_what_kind_it_is():
    lines = [line for path in bundled_files("reviews").values() for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [json.loads(line) for line in lines]
    assert len(rows) == sum(N_EXAMPLES.values())
    assert {tuple(row) for row in rows} == {("text", "label", "kind")}
    assert {row["kind"] for row in rows} == KINDS


SENTENCES = {"train": (300, 4753, 497), "validation": (100, 1605, 163), "test": (100, 1555, 165)}
"""Split of `entities` → sentences, words, entities."""


def test_the_entities_have_their_sizes_valid_tags_and_no_copies():
    data = BundledData(source="bundled", name="entities", invalid_tags="refuse")
    splits, labels, findings = token_classification.agree(read_splits(data, "token_classification"), data)
    assert labels == labels_of(("PER", "ORG", "LOC", "MISC"), "iob2")
    assert findings == ()
    found = {}
    for name, split in splits.items():
        n_entities = sum(len(decode(example.label_names, "iob2")) for example in split.examples)
        found[name] = (len(split.examples), sum(len(example.texts) for example in split.examples), n_entities)
    assert found == SENTENCES
    examples = [example for split in splits.values() for example in split.examples]
    assert len({example.key for example in examples}) == len(examples) == 500


def test_every_bundled_set_has_its_files_and_a_card_with_its_licence():
    folders = {path.name for path in BUNDLED_DIR.iterdir() if path.is_dir()}
    assert folders == set(BUNDLED)
    for name in BUNDLED:
        files = bundled_files(name)
        assert {path.name for path in files.values()} == {path.name for path in (BUNDLED_DIR / name).iterdir()} - {"CARD.md"}
        assert "CC0" in (BUNDLED_DIR / name / "CARD.md").read_text(encoding="utf-8")


# questions


def test_the_questions_have_their_sizes_and_a_third_of_them_no_answer():
    splits = read_splits(BundledData(source="bundled", name="questions"), "question_answering")
    found = {
        name: (len(s.examples), sum(not e.label for e in s.examples), len({e.context for e in s.examples}))
        for name, s in splits.items()
    }
    assert found == {"train": (200, 67, 40), "validation": (70, 23, 14), "test": (70, 23, 14)}
    assert splits["test"].origin.path == "bundled questions/test"


def test_no_question_and_no_paragraph_is_there_twice_and_every_answer_stands_where_it_says():
    splits = read_splits(BundledData(source="bundled", name="questions"), "question_answering")
    examples = [example for split in splits.values() for example in split.examples]
    assert len({example.id for example in examples}) == len({example.key[0] for example in examples}) == len(examples) == 340
    contexts = {name: {example.context for example in split.examples} for name, split in splits.items()}
    assert len(set.union(*contexts.values())) == sum(map(len, contexts.values())) == 68, "no paragraph is in two splits"
    assert agree_on_answers(splits, repair=False)[1] == ()
    n_answers = {len(example.label) for example in splits["train"].examples if example.label}
    assert n_answers == {1}, "training questions have one answer"


# topics, pairs, ratings

WHOLE_TEXTS = {
    "topics": ("classification", {"train": 320, "validation": 100, "test": 100}),
    "pairs": ("classification", {"train": 300, "validation": 100, "test": 100}),
    "ratings": ("regression", {"train": 240, "validation": 80, "test": 80}),
}


def whole_texts(name):
    columns = {"pairs": {"text": ("premise", "hypothesis")}, "ratings": {"label": "rating"}}.get(name, {})
    return read_splits(BundledData(source="bundled", name=name, **columns), WHOLE_TEXTS[name][0])


@pytest.mark.parametrize("name", WHOLE_TEXTS)
def test_sets_of_whole_texts_have_their_sizes_and_no_texts_that_are_nearly_the_same(name):
    splits = whole_texts(name)
    examples = [example for split in splits.values() for example in split.examples]
    assert {split: len(raw.examples) for split, raw in splits.items()} == WHOLE_TEXTS[name][1]
    assert all(raw.origin.path == f"bundled {name}/{split}" for split, raw in splits.items())
    assert len({example.key for example in examples}) == len(examples)
    for texts in map(sorted, map(set, zip(*(example.key for example in examples), strict=True))):
        assert near_pairs(texts) == []


def test_the_topics_are_balanced():
    for split in whole_texts("topics").values():
        n = len(split.examples) // 4
        assert split.label_counts == dict.fromkeys(split.label_counts, n)
        assert sorted(split.label_counts) == ["health", "money", "nature", "technology"]


def test_the_pairs_are_balanced_and_no_premise_is_in_two_splits():
    splits = whole_texts("pairs")
    for split in splits.values():
        assert sorted(split.label_counts) == ["contradiction", "entailment", "neutral"]
        assert max(split.label_counts.values()) - min(split.label_counts.values()) <= 1
    premises = {name: {example.key[0] for example in split.examples} for name, split in splits.items()}
    assert {name: len(different) for name, different in premises.items()} == {"train": 252, "validation": 85, "test": 87}
    assert len(set.union(*premises.values())) == 252 + 85 + 87


def test_the_ratings_are_half_points_from_one_to_five_alike_in_every_split():
    for split, (each, middle) in {"train": (27, 24), "validation": (9, 8), "test": (9, 8)}.items():
        found = Counter(example.label for example in whole_texts("ratings")[split].examples)
        assert found == {half / 2: middle if half == 6 else each for half in range(2, 11)}


PARAGRAPHS = {"train": 141, "validation": 18, "test": 17}
MAX_SHARED_WORDS = 0.5


def test_the_manuals_are_raw_text_in_paragraphs_none_of_them_twice():
    splits = read_splits(BundledData(source="bundled", name="manuals"), "masked_lm")
    assert {name: len(split.examples) for name, split in splits.items()} == PARAGRAPHS
    examples = [example for split in splits.values() for example in split.examples]
    assert all(example.label is None for example in examples)
    assert all(40 <= len(example.texts[0].split()) <= 120 for example in examples)
    words = [frozenset(re.findall(r"[\w']+", example.texts[0].casefold())) for example in examples]
    shared = [len(one & two) / len(one | two) for one, two in itertools.combinations(words, 2)]
    assert max(shared) < MAX_SHARED_WORDS
    assert sum(path.stat().st_size for path in bundled_files("manuals").values()) >= 60_000
