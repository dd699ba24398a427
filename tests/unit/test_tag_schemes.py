"""Tag schemes against regular expressions, a port of conlleval and every short sequence there is."""

import re
from itertools import pairwise, product

import pytest

from bertft_core.metrics import tag_schemes
from bertft_core.metrics.tag_schemes import (
    Entity,
    allowed_transitions,
    convert,
    decode,
    encode,
    labels_of,
    misspelt,
    repair,
    scheme_of,
    violations,
)

TYPES = ("X", "Y-Z")
WITH_ENTITIES = ("iob1", "iob2", "iobes", "io")
LOSSLESS = ("iob1", "iob2", "iobes")

CHARACTERS = {"O": "O"} | {
    f"{letter}-{name}": character
    for name, characters in zip(TYPES, ("bies", "BIES"), strict=True)
    for letter, character in zip("BIES", characters, strict=True)
}
GRAMMARS = {
    "iob1": "(O|i[ib]*|I[IB]*)*",
    "iob2": "(O|bi*|BI*)*",
    "iobes": "(O|s|S|bi*e|BI*E)*",
    "io": "[OiI]*",
}
"""Valid sequences of each scheme, one character per tag: small letters for the first type, capitals for the second."""


def sequences(scheme, longest=4):
    """Every sequence of the scheme's tags over two types, valid or not."""
    for length in range(longest + 1):
        yield from product(labels_of(TYPES, scheme), repeat=length)


def is_valid(tags, scheme):
    return re.fullmatch(GRAMMARS[scheme], "".join(CHARACTERS[tag] for tag in tags)) is not None


def valid(scheme, longest=4):
    found = [tags for tags in sequences(scheme, longest) if is_valid(tags, scheme)]
    assert len(found) > 100
    return found


def entity_lists(n_words, start=0):
    """Every way to lay entities of two types into `n_words` words."""
    if start == n_words:
        return [[]]
    found = entity_lists(n_words, start + 1)
    for end in range(start + 1, n_words + 1):
        rest = entity_lists(n_words, end)
        found += [[Entity(name, start, end), *others] for name in TYPES for others in rest]
    return found


def conlleval_chunks(tags):
    """startOfChunk and endOfChunk of conlleval, with E and S as in its later ports, written out rule by rule."""
    split = [("O", "")] + [tuple(tag.split("-", 1)) if tag != "O" else ("O", "") for tag in tags] + [("O", "")]
    chunks, begin = [], None
    for i, ((before, old), (now, new)) in enumerate(pairwise(split)):
        ends = (before, now) in {("B", "B"), ("B", "S"), ("B", "O"), ("I", "B"), ("I", "S"), ("I", "O")}
        ends = ends or before in ("E", "S") or (before != "O" and old != new)
        starts = now in ("B", "S") or (before, now) in {("E", "E"), ("E", "I"), ("S", "E"), ("S", "I"), ("O", "E"), ("O", "I")}
        starts = starts or (now != "O" and old != new)
        if begin is not None and ends:
            chunks.append((old, begin, i))
            begin = None
        if starts:
            begin = i
    return chunks


@pytest.mark.parametrize("scheme", WITH_ENTITIES)
def test_a_sequence_has_violations_exactly_when_the_grammar_refuses_it(scheme):
    wrong = [tags for tags in sequences(scheme) if (not violations(tags, scheme)) != is_valid(tags, scheme)]
    assert wrong == []


@pytest.mark.parametrize("scheme", WITH_ENTITIES)
def test_a_sequence_is_valid_exactly_when_its_transitions_are_allowed(scheme):
    labels = labels_of(TYPES, scheme)
    start, end, follow = allowed_transitions(labels, scheme)
    for tags in sequences(scheme):
        ids = [labels.index(tag) for tag in tags]
        allowed = not ids or (start[ids[0]] and end[ids[-1]] and all(follow[pair] for pair in pairwise(ids)))
        assert bool(allowed) == is_valid(tags, scheme), tags


@pytest.mark.parametrize("scheme", WITH_ENTITIES)
def test_every_sequence_is_read_and_repaired_as_conlleval_reads_it(scheme):
    for tags in sequences(scheme):
        repaired = repair(tags, scheme)
        assert violations(repaired, scheme) == []
        assert decode(repaired, scheme) == conlleval_chunks(tags), tags


@pytest.mark.parametrize("scheme", WITH_ENTITIES)
def test_valid_sequences_survive_decoding_encoding_and_repair(scheme):
    for tags in valid(scheme):
        assert encode(decode(tags, scheme), len(tags), scheme) == tags
        assert repair(tags, scheme) == tags


@pytest.mark.parametrize("scheme", LOSSLESS)
def test_every_layout_of_entities_survives_encoding(scheme):
    layouts = entity_lists(5)
    assert len(layouts) > 500
    for entities in layouts:
        assert decode(encode(entities, 5, scheme), scheme) == entities


@pytest.mark.parametrize(("source", "target"), list(product(LOSSLESS, LOSSLESS)))
def test_converting_there_and_back_is_the_identity(source, target):
    for tags in valid(source):
        there = convert(tags, source, target)
        assert is_valid(there, target)
        assert convert(there, target, source) == tags


@pytest.mark.parametrize("source", LOSSLESS)
def test_the_way_through_io_merges_touching_entities_of_one_type_and_nothing_else(source):
    for tags in valid(source):
        merged: list[Entity] = []
        for entity in decode(tags, source):
            if merged and merged[-1].type == entity.type and merged[-1].end == entity.start:
                merged[-1] = merged[-1]._replace(end=entity.end)
            else:
                merged.append(entity)
        back = convert(convert(tags, source, "io"), "io", source)
        assert decode(back, source) == merged


def test_known_sentences_in_the_four_schemes():
    entities = [("PER", 0, 1), ("PER", 1, 3), ("LOC", 3, 4)]
    assert encode(entities, 5, "iob1") == ("I-PER", "B-PER", "I-PER", "I-LOC", "O")
    assert encode(entities, 5, "iob2") == ("B-PER", "B-PER", "I-PER", "B-LOC", "O")
    assert encode(entities, 5, "iobes") == ("S-PER", "B-PER", "E-PER", "S-LOC", "O")
    assert encode(entities, 5, "io") == ("I-PER", "I-PER", "I-PER", "I-LOC", "O")


def test_bilou_is_read_as_iobes():
    tags = ("U-PER", "B-LOC", "I-LOC", "L-LOC")
    assert violations(tags, "iobes") == []
    assert repair(tags, "iobes") == ("S-PER", "B-LOC", "I-LOC", "E-LOC")
    start, end, follow = allowed_transitions(("O", "B-X", "I-X", "L-X", "U-X"), "iobes")
    other = allowed_transitions(("O", "B-X", "I-X", "E-X", "S-X"), "iobes")
    assert all((a == b).all() for a, b in zip((start, end, follow), other, strict=True))


def test_bilou_letters_are_unknown_outside_iobes():
    assert [position for position, _ in violations(("O", "L-PER", "U-PER"), "iob2")] == [1, 2]


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        ("iob2", "I-X", [(0, "I-X at the start of the sentence has no B-X to go on from")]),
        ("iob2", "B-Y I-X", [(1, "I-X after B-Y has no B-X to go on from")]),
        ("iob1", "O B-X", [(1, "B-X after O: IOB1 writes I-X where no entity of the same type ends")]),
        ("iobes", "B-X O", [(0, "B-X is not ended: O follows")]),
        ("iobes", "B-X", [(0, "B-X is not ended: the sentence ends")]),
        ("iobes", "B-X S-X", [(0, "B-X is not ended: S-X follows")]),
        ("iobes", "S-X E-X", [(1, "E-X after S-X has no B-X to go on from")]),
        ("iobes", "B-X I-Y E-Y", [(0, "B-X is not ended: I-Y follows"), (1, "I-Y after B-X has no B-Y to go on from")]),
        ("iob2", "PER", [(0, "the tag 'PER' has no prefix, expected 'O' or B-TYPE, I-TYPE")]),
        ("iob2", "O S-X", [(1, "the tag 'S-X' has the unknown prefix 'S', expected 'O' or B-TYPE, I-TYPE")]),
        ("io", "B-X", [(0, "the tag 'B-X' has the unknown prefix 'B', expected 'O' or I-TYPE")]),
        ("iob2", "B-", [(0, "the tag 'B-' has no type")]),
        ("iob2", "-X", [(0, "the tag '-X' has the unknown prefix '', expected 'O' or B-TYPE, I-TYPE")]),
        ("iob2", "BI-X", [(0, "the tag 'BI-X' has the unknown prefix 'BI', expected 'O' or B-TYPE, I-TYPE")]),
        ("iob2", "O-X", [(0, "the tag 'O-X' has the unknown prefix 'O', expected 'O' or B-TYPE, I-TYPE")]),
        ("iob2", "o", [(0, "the tag 'o' has no prefix, expected 'O' or B-TYPE, I-TYPE")]),
        ("iob2", "PER I-X O I-X", [(0, "the tag 'PER' has no prefix, expected 'O' or B-TYPE, I-TYPE"),
                                   (3, "I-X after O has no B-X to go on from")]),
    ],
)  # fmt: skip
def test_each_fault_is_named_with_its_word(scheme, tags, expected):
    assert violations(tags.split(), scheme) == expected


@pytest.mark.parametrize("tags", [("PER",), ("S-X",), ("B-",), ("",)])
def test_a_tag_that_cannot_be_read_is_never_guessed(tags):
    assert tag_schemes.unreadable(tags, "iob2") == violations(tags, "iob2") != []
    for refuse in (decode, repair, tag_schemes.read, allowed_transitions):
        with pytest.raises(ValueError, match="tag"):
            refuse(tags, "iob2")


def test_decoding_and_converting_refuse_invalid_sequences_at_their_word():
    for refuse in (lambda tags: decode(tags, "iob2"), lambda tags: convert(tags, "iob2", "io")):
        with pytest.raises(ValueError, match="word 2: I-X after O"):
            refuse(("B-X", "O", "I-X"))


@pytest.mark.parametrize(
    "entities", [[("X", 0, 2), ("X", 1, 3)], [("X", 1, 1)], [("X", 2, 4)], [("X", -1, 1)], [("", 0, 1)], [("X", 2, 1)]]
)
def test_entities_that_do_not_fit_are_refused(entities):
    with pytest.raises(ValueError, match="does not fit"):
        encode(entities, 3, "iob2")


def test_entities_are_encoded_in_any_order():
    assert encode([("X", 2, 3), ("Y", 0, 2)], 3, "iob2") == ("B-Y", "I-Y", "B-X")


def test_labels_have_one_order_whatever_the_order_of_the_types():
    assert labels_of(["PER", "LOC", "PER"], "iob2") == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert labels_of(["LOC", "PER"], "iob2") == labels_of(["PER", "LOC"], "iob2")
    assert labels_of(["X"], "iobes") == ("O", "B-X", "I-X", "E-X", "S-X")
    assert labels_of(["X"], "io") == ("O", "I-X")
    assert labels_of(["VERB", "NOUN"], "plain") == ("NOUN", "VERB")
    assert labels_of(["VERB", "O", "NOUN"], "plain") == ("O", "NOUN", "VERB")
    with pytest.raises(ValueError, match="empty type"):
        labels_of([""], "iob2")


def test_plain_tags_have_no_structure():
    tags = ("NOUN", "I-X", "PRT-PART", "O")
    assert violations(tags, "plain") == []
    assert repair(tags, "plain") == convert(tags, "plain", "plain") == tags
    assert all(allowed.all() for allowed in allowed_transitions(tags, "plain"))
    assert violations(("NOUN", ""), "plain") == [(1, "an empty tag")]
    with pytest.raises(ValueError, match="empty tag"):
        repair(("",), "plain")
    for refuse in (lambda: decode(tags, "plain"), lambda: encode([], 2, "plain"), lambda: convert(("O",), "iob2", "plain")):
        with pytest.raises(ValueError, match="no entities"):
            refuse()


def test_an_unknown_scheme_is_refused_by_every_function():
    calls = (
        lambda: decode((), "bio"),
        lambda: encode([], 0, "bio"),
        lambda: violations((), "bio"),
        lambda: repair((), "bio"),
        lambda: labels_of((), "bio"),
        lambda: allowed_transitions((), "bio"),
    )
    for call in calls:
        with pytest.raises(ValueError, match="unknown tag scheme 'bio'"):
            call()


def test_a_sentence_without_words_is_valid_and_empty():
    for scheme in WITH_ENTITIES:
        assert violations((), scheme) == []
        assert decode((), scheme) == []
        assert repair((), scheme) == encode([], 0, scheme) == ()


@pytest.mark.parametrize("scheme", ["iob2", "iobes", "io"])
def test_labels_tell_the_scheme_they_are_in(scheme):
    assert scheme_of(labels_of(TYPES, scheme)) == scheme
    assert scheme_of(tuple(reversed(labels_of(TYPES, scheme)))) == scheme


def test_labels_that_are_no_entity_tags_are_plain():
    assert scheme_of(labels_of(TYPES, "iob1")) == "iob2", "IOB1 is read, never learned"
    for labels in (("O",), ("NOUN", "VERB"), ("B-X", "I-X", "X"), ("B", "I", "O"), ("O", "I-X", "PRT-PART"), ("O", "B-")):
        assert scheme_of(labels) == "plain"


@pytest.mark.parametrize(
    ("tags", "wrong"),
    [
        ("O b-LOC i-LOC", {"b-LOC": "B-LOC", "i-LOC": "I-LOC"}),
        ("O PER-B PER-I", {"PER-B": "B-PER", "PER-I": "I-PER"}),
        ("O B_PER I_PER", {"B_PER": "B-PER", "I_PER": "I-PER"}),
        ("O B I", {"B": "B-TYPE", "I": "I-TYPE"}),
        ("0 B-X", {"0": "O"}),
        ("o B-X", {"o": "O"}),
        ("O B-X I-X", {}),
        ("NOUN VERB O", {}),
        ("O B-X NOUN", {}),
        ("0 1", {}),
    ],
)
def test_misspelt_entity_tags_are_told_from_tags_of_another_kind(tags, wrong):
    assert misspelt(tags.split()) == wrong
