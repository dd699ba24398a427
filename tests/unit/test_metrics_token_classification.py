"""Metrics of a tagger: published oracles, a brute force over all spans, and scikit-learn for plain tags."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as oracle

from bertft_core.metrics import METRICS
from bertft_core.metrics.entities import entity_spans, tag_set
from bertft_core.metrics.token_classification import compute, confusion, majority

IOB2 = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
IOBES = ("B-PER", "I-PER", "E-PER", "S-PER", "O", "B-LOC", "I-LOC", "E-LOC", "S-LOC")
POS = ("NOUN", "VERB", "ADJ", "B")


def _table(gold, predicted, labels):
    columns = {
        name: pa.array([[labels.index(tag) for tag in tags] for tags in sentences], pa.list_(pa.int32()))
        for name, sentences in {"label": gold, "predicted": predicted}.items()
    }
    return pa.table({"example_id": [str(i) for i in range(len(gold))], **columns})


def _scores(gold, predicted, labels=None):
    labels = labels or tuple(sorted({tag for tags in gold + predicted for tag in tags}))
    return compute(_table(gold, predicted, labels), labels)


def _three(got, prefix=""):
    return [got[f"{prefix}{name}"] for name in ("precision", "recall", "f1")]


def _spans(tags, strict=None):
    """All entities by trying every span, each against the definition of one: (first, last, type)."""

    def kind(i):
        return tags[i][2:] if 0 <= i < len(tags) and tags[i] != "O" else None

    def continues(i):
        return kind(i) is not None and kind(i) == kind(i - 1) and tags[i][0] in "IE" and tags[i - 1][0] in "BI"

    def is_entity(i, j):
        if kind(i) is None or not all(continues(k) for k in range(i + 1, j + 1)) or continues(i) or continues(j + 1):
            return False
        if strict == "IOB2":
            return tags[i][0] == "B"
        if strict == "IOBES":
            return (i == j and tags[i][0] == "S") or (i < j and tags[i][0] == "B" and tags[j][0] == "E")
        return True

    return {(i, j, kind(i)) for i in range(len(tags)) for j in range(i, len(tags)) if is_entity(i, j)}


def _expected(gold, predicted, strict=None):
    true, answered = (
        {(n, *span) for n, tags in enumerate(sentences) for span in _spans(tags, strict)} for sentences in (gold, predicted)
    )
    return true, answered, true & answered


def _random(labels, seed, n=40):
    rng = np.random.default_rng(seed)
    gold = [[labels[k] for k in rng.integers(0, len(labels), length)] for length in rng.integers(0, 7, n)]
    predicted = [[tag if rng.random() < 0.7 else labels[rng.integers(len(labels))] for tag in tags] for tags in gold]
    return gold, predicted


@pytest.mark.parametrize(
    ("gold", "predicted", "conlleval", "strict"),
    [
        ([["B-X", "I-X"]], [["I-X", "I-X"]], [1, 1, 1], [0, 0, 0]),
        ([["B-PER"], ["I-PER"]], [["B-PER"], ["B-PER"]], [1, 1, 1], [0.5, 1, 2 / 3]),
        (
            [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]],
            [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]],
            [0.5, 0.5, 0.5],
            [0.5, 0.5, 0.5],
        ),
    ],
)
def test_the_scores_that_seqeval_gives(gold, predicted, conlleval, strict):
    got = _scores(gold, predicted)
    assert _three(got) == pytest.approx(conlleval)
    assert _three(got, "strict_") == pytest.approx(strict)


def test_the_readme_example_of_seqeval_type_by_type():
    gold = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    predicted = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    got = _scores(gold, predicted)
    assert (got["f1/MISC"], got["f1/PER"], got["f1_macro"], got["f1_weighted"]) == (0.0, 1.0, 0.5, 0.5)
    assert got["accuracy"] == pytest.approx(0.8)


@pytest.mark.parametrize(("labels", "scheme"), [(IOB2, "IOB2"), (IOBES, "IOBES")])
@pytest.mark.parametrize("seed", range(20))
def test_entity_scores_equal_a_brute_force_over_all_spans(labels, scheme, seed):
    gold, predicted = _random(labels, seed)
    got = _scores(gold, predicted, labels)
    for prefix, strict in (("", None), ("strict_", scheme)):
        true, answered, hits = _expected(gold, predicted, strict)
        expected = [len(hits) / len(answered), len(hits) / len(true), 2 * len(hits) / (len(true) + len(answered))]
        assert _three(got, prefix) == pytest.approx(expected)
    true, answered, hits = _expected(gold, predicted)
    f1, support = {}, {}
    for kind in ("PER", "LOC"):
        n_true, n_answered, n_hits = (sum(span[-1] == kind for span in spans) for spans in (true, answered, hits))
        assert got[f"precision/{kind}"] == pytest.approx(n_hits / n_answered)
        assert got[f"recall/{kind}"] == pytest.approx(n_hits / n_true)
        f1[kind], support[kind] = 2 * n_hits / (n_true + n_answered), n_true
        assert got[f"f1/{kind}"] == pytest.approx(f1[kind])
    assert got["f1_macro"] == pytest.approx(np.mean(list(f1.values())))
    assert got["f1_weighted"] == pytest.approx(np.average(list(f1.values()), weights=list(support.values())))


@pytest.mark.parametrize(("labels", "scheme"), [(IOB2, "IOB2"), (IOBES[:6], "IOBES")])
def test_microbatches_of_every_short_sentence_equal_the_brute_force(labels, scheme):
    sentences = [list(tags) for length in range(1, 5) for tags in itertools.product(labels, repeat=length)]
    assert len(sentences) > 700
    ids = np.array([labels.index(tag) for tags in sentences for tag in tags])
    lengths = np.array([len(tags) for tags in sentences])
    starts, tags = np.cumsum(lengths) - lengths, tag_set(labels)
    for strict in (False, True):
        found = entity_spans(ids, lengths, tags, strict=strict)
        expected = [
            (start + i, start + j, tags.types.index(kind))
            for start, sentence in zip(starts, sentences, strict=True)
            for i, j, kind in sorted(_spans(sentence, scheme if strict else None))
        ]
        assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


def test_conlleval_ends_an_entity_after_e_and_s():
    gold = [["B-PER", "E-PER", "S-PER", "I-PER"]]
    assert _spans(gold[0]) == {(0, 1, "PER"), (2, 2, "PER"), (3, 3, "PER")}
    got = _scores(gold, [["B-PER", "E-PER", "O", "O"]], IOBES)
    assert _three(got) == pytest.approx([1, 1 / 3, 0.5])


def test_an_entity_does_not_go_on_in_the_next_sentence():
    got = _scores([["B-PER"], ["I-PER"]], [["B-PER"], ["O"]], IOB2)
    assert _three(got) == pytest.approx([1, 0.5, 2 / 3])


def test_a_sentence_without_words_changes_nothing():
    gold, predicted = _random(IOB2, 3)
    holes = [[], *itertools.chain.from_iterable((tags, []) for tags in gold)]
    same_holes = [[], *itertools.chain.from_iterable((tags, []) for tags in predicted)]
    assert _scores(holes, same_holes, IOB2) == _scores(gold, predicted, IOB2)


def test_accuracy_counts_every_word_also_o():
    assert _scores([["O", "O", "B-PER", "O"]], [["O", "O", "O", "O"]], IOB2)["accuracy"] == 0.75


def test_a_tagger_that_finds_nothing_scores_zero():
    got = _scores([["B-PER", "O"]], [["O", "O"]], IOB2)
    assert _three(got) == _three(got, "strict_") == [0.0, 0.0, 0.0]


def test_a_type_that_is_nowhere_is_left_out_of_macro_f1():
    got = _scores([["B-PER", "O"]], [["B-PER", "O"]], IOB2)
    assert (got["f1_macro"], got["f1/PER"], got["f1/LOC"]) == (1.0, 1.0, 0.0)
    nothing = _scores([["O"]], [["O"]], IOB2)
    assert (nothing["f1_macro"], nothing["f1_weighted"], nothing["accuracy"]) == (0.0, 0.0, 1.0)


def test_labels_that_know_only_i_have_no_strict_scores():
    got = _scores([["I-PER", "I-PER", "O"]], [["I-PER", "I-PER", "O"]], ("O", "I-PER"))
    assert got["f1"] == 1.0
    assert not any(name.startswith("strict") for name in got)


def test_a_type_may_hold_hyphens_and_bare_prefixes_have_one_nameless_type():
    assert tag_set(("O", "B-event-date", "I-event-date")).types == ("event-date",)
    assert tag_set(("O", "B", "I")).types == ("_",)
    assert _scores([["B", "I", "O"]], [["B", "I", "O"]], ("O", "B", "I"))["f1/_"] == 1.0


@pytest.mark.parametrize("labels", [POS, ("O", "X"), ("O",), ("PER", "O", "B-LOC")])
def test_other_labels_are_plain_tags(labels):
    assert tag_set(labels) is None


@pytest.mark.parametrize("seed", range(5))
def test_plain_tags_are_scored_as_scikit_learn_does(seed):
    gold, predicted = _random(POS, seed)
    got = _scores(gold, predicted, POS)
    true, answer = ([tag for tags in sentences for tag in tags] for sentences in (gold, predicted))
    assert got["accuracy"] == pytest.approx(oracle.accuracy_score(true, answer))
    for average in ("macro", "weighted"):
        assert got[f"f1_{average}"] == pytest.approx(oracle.f1_score(true, answer, average=average, zero_division=0))
    for name, function in {"precision": oracle.precision_score, "recall": oracle.recall_score, "f1": oracle.f1_score}.items():
        expected = function(true, answer, average=None, labels=list(POS), zero_division=0)
        assert [got[f"{name}/{tag}"] for tag in POS] == pytest.approx(expected)
    assert not {"f1", "precision", "recall", "strict_f1"} & set(got)
    names, counts = confusion(_table(gold, predicted, POS), POS)
    assert names == POS
    assert (counts == oracle.confusion_matrix(true, answer, labels=list(POS))).all()


def test_a_plain_tag_that_is_nowhere_is_left_out_of_macro_f1_as_in_scikit_learn():
    got = _scores([["NOUN", "VERB"]], [["NOUN", "NOUN"]], POS)
    expected = oracle.f1_score(["NOUN", "VERB"], ["NOUN", "NOUN"], average="macro", zero_division=0)
    assert got["f1_macro"] == pytest.approx(expected)


def test_the_confusion_of_entity_tags_counts_words_by_type_with_o_last():
    table = _table([["B-PER", "I-PER", "O", "B-LOC"]], [["I-PER", "B-LOC", "O", "O"]], IOB2)
    names, counts = confusion(table, IOB2)
    assert names == ("PER", "LOC", "O")
    assert counts.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 1]]


@pytest.mark.parametrize(("n_types", "is_there"), [(29, True), (30, False)])
def test_more_than_thirty_names_have_no_confusion_table(n_types, is_there):
    labels = ("O", *(f"{prefix}-{i}" for i in range(n_types) for prefix in "BI"))
    table = _table([["O"]], [["O"]], labels)
    assert (confusion(table, labels) is not None) == is_there


def test_the_majority_gives_every_word_the_most_frequent_training_tag():
    train = _table([["VERB", "NOUN"], ["NOUN", "VERB", "ADJ"]], [[], []], POS)
    split = _table([["NOUN", "NOUN", "ADJ"], ["VERB"]], [[], []], POS)
    got = majority(train.drop_columns("predicted"), split.drop_columns("predicted"), POS)
    assert got["accuracy"] == 0.5
    assert (got["recall/NOUN"], got["recall/VERB"]) == (1.0, 0.0)


def test_the_majority_of_entity_tags_is_mostly_o_and_finds_nothing():
    gold = _table([["O", "O", "B-PER"]], [[]], IOB2)
    got = majority(gold, gold, IOB2)
    assert (got["accuracy"], got["f1"], got["strict_f1"]) == (pytest.approx(2 / 3), 0.0, 0.0)


def test_nothing_is_tuned():
    assert METRICS["token_classification"].tune(_table([["O"]], [["O"]], IOB2), IOB2) == {}


def test_a_sliced_table_scores_its_own_rows():
    gold, predicted = _random(IOB2, 4)
    assert compute(_table(gold, predicted, IOB2).slice(7, 20), IOB2) == _scores(gold[7:27], predicted[7:27], IOB2)


def test_a_word_without_a_prediction_is_refused():
    with pytest.raises(ValueError, match="row 1 has 2 labels and 1 predictions"):
        _scores([["O"], ["O", "O"]], [["O"], ["O"]], IOB2)


def test_a_table_without_words_is_refused():
    with pytest.raises(ValueError, match="no words"):
        _scores([[], []], [[], []], IOB2)


@pytest.mark.parametrize("bad", [-100, 5])
def test_a_label_id_out_of_range_is_refused(bad):
    table = pa.table({"label": [[0, bad]], "predicted": [[0, 0]]})
    with pytest.raises(ValueError, match="must lie in 0 … 4"):
        compute(table, IOB2)
