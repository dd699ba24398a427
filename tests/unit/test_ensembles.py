"""What several seeds' stored predictions say together: every number here is worked out by hand."""

import math

import numpy as np
import pyarrow as pa
import pytest

from bertft_core.config.head_settings import HEAD_CONFIGS, TokenClassificationHead
from bertft_core.metrics import METRICS
from bertft_core.metrics.question_answering import predicted_texts
from tests.helpers.ensemble_tables import BIO, asked, log, multi_labelled, numbered, tagged
from tests.helpers.small_records import classified


def score(kind, tables, labels=(), **tuned):
    return METRICS[kind].compute(METRICS[kind].combined(tables, labels, HEAD_CONFIGS[kind]()), labels, **tuned)


def test_classes_are_chosen_by_the_mean_probability():
    """0.9 and 0.3 make 0.6; 0.4 and 0.2 make 0.3. The mean of the logits would say 0.66."""
    first = classified(["a", "b"], [0, 0], log([[0.9, 0.1], [0.4, 0.6]]))
    second = classified(["a", "b"], [0, 0], log([[0.3, 0.7], [0.2, 0.8]]))
    found = score("classification", [first, second], ("no", "yes"))
    assert found["accuracy"] == 0.5
    assert found["log_loss"] == pytest.approx(-(math.log(0.6) + math.log(0.3)) / 2, abs=1e-7)
    assert found["ece"] == pytest.approx((0.4 + 0.7) / 2, abs=1e-7), "confidence 0.6 and right, 0.7 and wrong"


def test_a_confident_seed_outweighs_two_that_doubt():
    seeds = [classified(["a"], [0], log([shares])) for shares in ([0.98, 0.02], [0.45, 0.55], [0.45, 0.55])]
    assert score("classification", seeds, ("no", "yes"))["accuracy"] == 1.0


def test_labels_are_on_where_their_mean_probability_is_above_one_half():
    """0.9 and 0.3 make 0.6, on; 0.2 and 0.7 make 0.45, off."""
    odds = [[math.log(p / (1 - p)) for p in row] for row in ([0.9, 0.2], [0.3, 0.7])]
    found = score("multi_label", [multi_labelled([[1, 1]], [row]) for row in odds], ("film", "food"))
    assert (found["accuracy"], found["recall/film"], found["recall/food"], found["hamming_loss"]) == (0.0, 1.0, 0.0, 0.5)
    assert found["log_loss"] == pytest.approx(-(math.log(0.6) + math.log(0.45)) / 2)


def test_a_label_that_every_seed_is_sure_of_keeps_its_loss():
    """1 - sigmoid(40) is lost beside 1: taken from the mean it would be infinite."""
    found = score("multi_label", [multi_labelled([[0, 1]], [[40.0, -40.0]])] * 2, ("film", "food"))
    assert found["log_loss"] == pytest.approx(40.0)


def test_numbers_are_averaged():
    found = score("regression", [numbered([2.0, 3.0], [1.0, 3.0]), numbered([2.0, 3.0], [3.0, 4.0])])
    assert found["mse"] == pytest.approx((0.0**2 + 0.5**2) / 2)
    assert found["mae"] == pytest.approx(0.25)


def test_words_have_the_tag_with_the_highest_mean_probability():
    """First word: B 0.45, O 0.4. Second: I 0.5, O 0.45. So one entity over both, which neither seed alone has."""
    gold = [[1, 2]]
    first = tagged(gold, [[0, 2]], [[[0.6, 0.3, 0.1], [0.1, 0.0001, 0.8999]]])
    second = tagged(gold, [[1, 0]], [[[0.2, 0.6, 0.2], [0.8, 0.0999, 0.1001]]])
    assert [METRICS["token_classification"].compute(table, BIO)["f1"] for table in (first, second)] == [0.0, 0.0]
    assert score("token_classification", [first, second], BIO)["f1"] == 1.0


def test_the_tags_of_a_crf_are_voted_on_and_of_equals_the_earliest_seed_wins():
    gold, head = [[1, 2], [1]], TokenClassificationHead(crf=True)
    seeds = [tagged(gold, rows) for rows in ([[0, 2], [2]], [[1, 1], [1]], [[1, 0], [0]])]
    assert METRICS["token_classification"].combined(seeds, BIO, head)["predicted"].to_pylist() == [[1, 2], [2]]
    assert METRICS["token_classification"].combined(seeds[::-1], BIO, head)["predicted"].to_pylist() == [[1, 0], [0]]


def test_the_null_threshold_is_that_of_the_ensemble():
    """Validation: null odds 1 and 0 (mean 0.5) of a question with an answer, 3 and 1 (mean 2) of one without: threshold 1.25.

    Test: 2 and 0 make 1, answered; 1 and 1.6 make 1.3, empty. The seeds' own thresholds are 2 and 0.5.
    """
    answers, ann = [["Ann"], []], [[("Ann", 3, 0.0)], [("Ann", 3, 0.0)]]
    validation = [asked(answers, ann, nulls) for nulls in ([1.0, 3.0], [0.0, 1.0])]
    test = [asked(answers, ann, nulls) for nulls in ([2.0, 1.0], [0.0, 1.6])]
    head, metrics = HEAD_CONFIGS["question_answering"](), METRICS["question_answering"]
    assert [metrics.tune(table)["null_threshold"] for table in validation] == [2.0, 0.5]
    tuned = metrics.tune(metrics.combined(validation, (), head), ())
    assert tuned["null_threshold"] == pytest.approx(1.25)
    together = metrics.combined(test, (), head)
    assert predicted_texts(together, **tuned) == ["Ann", ""]
    found = metrics.compute(together, **tuned)
    assert (found["f1"], found["has_ans_f1"], found["no_ans_f1"]) == (1.0, 1.0, 1.0)
    alone = [metrics.compute(table, **metrics.tune(own))["f1"] for table, own in zip(test, validation, strict=True)]
    assert alone == [0.5, 1.0]


def test_the_answer_is_the_span_with_the_highest_mean_probability():
    """May has 0.5 and 0.4; Ann 0.5 and nothing, Bob nothing and 0.6."""
    half, third = log([0.5, 0.5]), log([0.6, 0.4])
    seeds = [
        asked([["May"]], [[("Ann", 3, half[0]), ("May", 9, half[1])]], [None]),
        asked([["May"]], [[("Bob", 20, third[0]), ("May", 9, third[1])]], [None]),
    ]
    found = METRICS["question_answering"].combined(seeds, (), HEAD_CONFIGS["question_answering"]())
    assert predicted_texts(found) == ["May"]
    scores = {item["text"]: math.exp(item["score"]) for item in found["candidates"].to_pylist()[0]}
    assert scores == pytest.approx({"May": 1.0, "Bob": 0.3 / 0.45, "Ann": 0.25 / 0.45})
    assert found["null_score"].null_count == 1


def test_a_question_that_no_seed_has_a_candidate_for_stays_empty():
    seeds = [asked([["Ann"], ["Ann"]], [[], [("Ann", 0, 1.0)]], [5.0, 0.0])] * 2
    found = METRICS["question_answering"].combined(seeds, (), HEAD_CONFIGS["question_answering"]())
    assert predicted_texts(found, 1e9) == ["", "Ann"]


def random_predictions(kind: str) -> tuple[pa.Table, tuple[str, ...]]:
    rng, n = np.random.default_rng(5), 30
    names = ("A", "B", "C")
    logits = rng.normal(size=(n, 3)).astype(np.float32) * 4
    if kind == "classification":
        return classified([str(i) for i in range(n)], rng.integers(3, size=n), logits), names
    if kind == "multi_label":
        return multi_labelled(rng.integers(2, size=(n, 3)), logits), names
    if kind == "regression":
        return numbered(rng.normal(size=n), rng.normal(size=n)), ()
    if kind == "question_answering":
        scores = -np.sort(-rng.normal(size=(n, 3)).astype(np.float32), axis=1)
        candidates = [[(text, i, s) for i, (text, s) in enumerate(zip(names, row, strict=True))] for row in scores.tolist()]
        answers = [[names[i % 3]] if i % 2 else [] for i in range(n)]
        return asked(answers, candidates, rng.normal(size=n).round(1).tolist()), ()
    lengths = rng.integers(1, 6, size=n)
    gold = [rng.integers(3, size=length) for length in lengths]
    shares = [rng.dirichlet(np.ones(3), size=length) for length in lengths]
    return tagged(gold, [row.argmax(axis=1) for row in shares], shares), BIO


@pytest.mark.parametrize("kind", [*(kind for kind in METRICS if METRICS[kind].ensemble), "crf"])
def test_seeds_that_are_all_the_same_score_as_each_of_them(kind):
    head = TokenClassificationHead(crf=True) if kind == "crf" else HEAD_CONFIGS[kind]()
    table, labels = random_predictions("token_classification" if kind == "crf" else kind)
    metrics = METRICS[head.kind]
    together = metrics.combined([table] * 3, labels, head)
    alone = metrics.compute(table, labels, **metrics.tune(table, labels))
    assert len(alone) >= 2
    assert metrics.compute(together, labels, **metrics.tune(together, labels)) == pytest.approx(alone, abs=1e-9)


def test_every_head_has_an_ensemble_but_masked_lm():
    assert [kind for kind, metrics in METRICS.items() if metrics.ensemble is None] == ["masked_lm"]


def test_tables_of_other_examples_are_not_put_together():
    tables = [classified([name], [0], [[1.0, 0.0]]) for name in "ab"]
    with pytest.raises(ValueError, match="different examples"):
        METRICS["classification"].combined(tables, ("no", "yes"), HEAD_CONFIGS["classification"]())
