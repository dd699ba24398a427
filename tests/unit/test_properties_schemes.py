"""For any entities of any types: all schemes say the same, each becomes any other and comes back; what IO loses is counted."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertft_core.config.data_settings import FileData
from bertft_core.data.alignment import token_classification
from bertft_core.data.examples import Example, RawSplit
from bertft_core.metrics.entities import entity_spans, tag_set
from bertft_core.metrics.tag_schemes import (
    LETTERS,
    Entity,
    convert,
    decode,
    encode,
    labels_of,
    read,
    repair,
    unreadable,
    violations,
)
from bertft_core.records.data_card import SplitOrigin
from tests.helpers.hypothesis_profile import CHARACTERS

LOSSLESS = ("iob1", "iob2", "iobes")
WITH_ENTITIES = (*LOSSLESS, "io")

TYPES = st.lists(
    st.one_of(st.sampled_from(["PER", "B", "O", "B-X", "-", "--I", "é", " ", "\n", "\u200b"]), st.text(CHARACTERS, min_size=1)),
    min_size=1,
    max_size=3,
    unique=True,
)
"""Names of types: anything but nothing."""


class Layout(NamedTuple):
    """A sentence of `n_words` with its entities, from left to right."""

    entities: list[Entity]
    n_words: int

    @property
    def types(self) -> set[str]:
        return {entity.type for entity in self.entities}

    @property
    def merged(self) -> list[Entity]:
        """Touching entities of one type as one."""
        found: list[Entity] = []
        for entity in self.entities:
            if found and (found[-1].type, found[-1].end) == (entity.type, entity.start):
                found[-1] = Entity(entity.type, found[-1].start, entity.end)
            else:
                found.append(entity)
        return found


@st.composite
def layouts(draw: st.DrawFn, longest: int = 10) -> Layout:
    """Runs of words, each an entity or outside, so that entities often touch."""
    kinds = st.sampled_from([*draw(TYPES), None])
    entities, end = [], 0
    for kind, length in draw(st.lists(st.tuples(kinds, st.integers(1, 4)), max_size=longest)):
        if kind is not None:
            entities.append(Entity(kind, end, end + length))
        end += length
    return Layout(entities, end)


def written(layout: Layout, scheme: str) -> tuple[str, ...]:
    """The tags by the definitions of the schemes, entity by entity."""
    tags = ["O"] * layout.n_words
    last = Entity("", 0, 0)
    for entity in layout.entities:
        n = entity.end - entity.start
        touches = (last.type, last.end) == (entity.type, entity.start)
        letters = {
            "iob1": ("B" if touches else "I") + "I" * (n - 1),
            "iob2": "B" + "I" * (n - 1),
            "iobes": "S" if n == 1 else "B" + "I" * (n - 2) + "E",
            "io": "I" * n,
        }[scheme]
        tags[entity.start : entity.end] = [f"{letter}-{entity.type}" for letter in letters]
        last = entity
    return tuple(tags)


@given(layout=layouts())
def test_entities_are_written_as_each_scheme_defines_it_and_read_back(layout):
    for scheme in WITH_ENTITIES:
        tags = written(layout, scheme)
        assert encode(layout.entities, layout.n_words, scheme) == tags
        assert violations(tags, scheme) == []
        assert decode(tags, scheme) == read(tags, scheme) == (layout.merged if scheme == "io" else layout.entities)
        assert repair(tags, scheme) == tags
        assert set(tags) <= set(labels_of(layout.types, scheme))


@settings(max_examples=120)  # drawing them takes longest, so each is checked with every pair of schemes
@given(layout=layouts())
def test_converting_there_and_back_is_the_identity(layout):
    for source, target in itertools.product(LOSSLESS, LOSSLESS):
        tags = written(layout, source)
        there = convert(tags, source, target)
        assert there == written(layout, target)
        assert convert(there, target, source) == tags


@settings(max_examples=120)
@given(layout=layouts())
def test_the_way_through_io_merges_touching_entities_of_one_type_and_is_the_identity_otherwise(layout):
    for source in LOSSLESS:
        tags = written(layout, source)
        back = convert(convert(tags, source, "io"), "io", source)
        assert back == written(Layout(layout.merged, layout.n_words), source)
        assert (back == tags) == (layout.merged == layout.entities)


@given(sentences=st.lists(layouts(5), min_size=1, max_size=4))
def test_a_study_converts_valid_tags_as_they_are_and_counts_what_io_loses(sentences):
    for source, target in itertools.product(WITH_ENTITIES, [None, "iob2", "iobes", "io"]):
        check_study(source, target, sentences)


def check_study(source: str, target: str | None, sentences: Sequence[Layout]) -> None:
    trained = target or {"iob1": "iob2"}.get(source, source)
    data = FileData(source="files", train="t.conll", scheme=source, train_scheme=target)
    examples = tuple(Example(f"s-{i}", ("w",) * of.n_words, written(of, source), i) for i, of in enumerate(sentences))
    example = Example("first", ("w",), written(Layout([Entity("PER", 0, 1)], 1), source), 99)  # an entity in any case
    agreed, labels, findings = token_classification.agree(
        {"train": RawSplit((*examples, example), "t.conll", SplitOrigin(path="t.conll"))}, data
    )
    kept = [Layout(of.merged, of.n_words) if "io" in (source, trained) else of for of in sentences]
    assert [example.label for example in agreed["train"].examples[:-1]] == [written(of, trained) for of in kept]
    assert set(labels) == set(labels_of({"PER"}.union(*(of.types for of in sentences)), trained))
    lost = sum(len(of.entities) - len(of.merged) for of in sentences) if source != "io" == trained else 0
    assert [(finding.check, finding.count) for finding in findings] == ([("merged_entities", lost)] if lost else [])


@given(sentences=st.lists(layouts(5), min_size=1, max_size=4))
def test_scoring_finds_the_same_entities_in_each_scheme(sentences):
    """In all sentences at once; in IO those that touch are one."""
    types = sorted(set().union(*(of.types for of in sentences)) | {"PER"})
    for scheme in WITH_ENTITIES:
        expected = [of.merged if scheme == "io" else of.entities for of in sentences]
        assert found_by_scoring(sentences, types, scheme) == expected
        if scheme in ("iob2", "iobes"):
            assert found_by_scoring(sentences, types, scheme, strict=True) == expected


def found_by_scoring(
    sentences: Sequence[Layout], types: Sequence[str], scheme: str, *, strict: bool = False
) -> list[list[Entity]]:
    lengths = np.array([of.n_words for of in sentences])
    tags = [tag for of in sentences for tag in written(of, scheme)]
    begins = (np.cumsum(lengths) - lengths).tolist()
    of_sentences: list[list[Entity]] = [[] for _ in sentences]
    for entity in scored(tags, lengths, labels_of(types, scheme), strict=strict):
        i = max(k for k, begin in enumerate(begins) if begin <= entity.start and sentences[k].n_words)
        of_sentences[i].append(Entity(entity.type, entity.start - begins[i], entity.end - begins[i]))
    return of_sentences


def scored(tags: Sequence[str], lengths: np.ndarray, labels: tuple[str, ...], *, strict: bool = False) -> list[Entity]:
    """The entities that the scores count, by words of all sentences."""
    known = tag_set(labels)
    assert known is not None
    found = entity_spans(np.array([labels.index(tag) for tag in tags], np.int64), lengths, known, strict=strict)
    return [Entity(known.types[k], i, j + 1) for i, j, k in zip(*(values.tolist() for values in found), strict=True)]


@st.composite
def any_tags(draw: st.DrawFn) -> tuple[str, tuple[str, ...]]:
    """A scheme and a sequence of tags that can be read in it, valid or not, with the letters of BILOU for IOBES."""
    scheme = draw(st.sampled_from(WITH_ENTITIES))
    types = draw(TYPES)
    tags = [*labels_of(types, scheme), *(f"{letter}-{name}" for letter in "LU" * (scheme == "iobes") for name in types)]
    return scheme, tuple(draw(st.lists(st.sampled_from(tags), max_size=12)))


@given(case=any_tags())
def test_any_tags_that_can_be_read_are_repaired_to_what_the_scores_see_in_them(case):
    """Valid are those that are just what their entities are written as; they alone stay as they are."""
    scheme, tags = case
    known = [f"{ {'L': 'E', 'U': 'S'}.get(tag[0], tag[0]) }{tag[1:]}" for tag in tags]
    labels = tuple(dict.fromkeys([*known, "B-X"]))
    entities = scored(known, np.array([len(tags)]), labels) if tags else []
    expected = written(Layout(entities, len(tags)), scheme)
    assert unreadable(tags, scheme) == []
    assert read(tags, scheme) == entities
    assert repair(tags, scheme) == expected
    assert (violations(tags, scheme) == []) == (expected == tuple(known))
    assert violations(expected, scheme) == []


STRANGE = ("", "O", "o", "O-", "-", "B", "I-", "L-", "BI-X", "-X", "B-X", "I-X", "E-X", "S-X", "L-X", "U-X", "I--", "I-\n")


@given(tags=st.lists(st.one_of(st.text(CHARACTERS, max_size=5), st.sampled_from(STRANGE)), max_size=6))
def test_any_text_is_a_tag_or_is_refused_and_named(tags):
    """Nothing is guessed: tags of which one cannot be read give no entities and no repair."""
    for scheme in WITH_ENTITIES:
        letters = LETTERS[scheme] + "LU" * (scheme == "iobes")
        wrong = [i for i, tag in enumerate(tags) if not re.fullmatch(rf"O|[{letters}]-.+", tag, re.DOTALL)]
        faults = unreadable(tags, scheme)
        assert [position for position, _ in faults] == wrong
        assert set(faults) <= set(violations(tags, scheme))
        if wrong:
            for refuse in (read, repair):
                with pytest.raises(ValueError, match=f"^word {wrong[0]}: "):
                    refuse(tags, scheme)
