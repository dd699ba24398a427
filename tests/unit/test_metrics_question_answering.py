"""Metrics of question answering: published oracles of SQuAD 1.1 and 2.0, and a brute force over all thresholds."""

import itertools
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from bertft_core.metrics import question_answering
from bertft_core.metrics.null_threshold import attainable, best_threshold, mean_score, official_best
from bertft_core.metrics.question_answering import compute, confusion, majority, per_question, predicted_texts, tune
from bertft_core.metrics.squad_text import exact_score, f1_score, normalise

CANDIDATE = pa.struct([("text", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("score", pa.float32())])


def _table(answers, candidates, null_scores=None):
    """`candidates`: for each question the list of (text, score)."""
    rows = [[{"text": text, "start": 0, "end": len(text), "score": score} for text, score in row] for row in candidates]
    return pa.table(
        {
            "example_id": [str(i) for i in range(len(answers))],
            "answers": pa.array(answers, pa.list_(pa.string())),
            "null_score": pa.array(null_scores or [None] * len(answers), pa.float32()),
            "candidates": pa.array(rows, pa.list_(CANDIDATE)),
        }
    )


def _of_odds(answers, texts, odds):
    """A table in which the null odds of each question are `odds`; an empty text is a question without candidates."""
    return _table(answers, [[(text, 0.0)] if text else [] for text in texts], odds)


def _random(seed, n=12):
    """Questions with many ties, one of them without candidates."""
    rng = np.random.default_rng(seed)
    answers = [["red fox jumps"] if rng.random() < 0.6 else [] for _ in range(n)]
    texts = ["", *rng.choice(["red fox jumps", "the red hen", "blue"], n - 1).tolist()]
    return _of_odds(answers, texts, rng.integers(-3, 4, n).astype(float).tolist())


def _by_brute_force(table, measure, thresholds):
    return [compute(table, (), null_threshold=float(threshold))[measure] for threshold in thresholds]


@cache
def _at_every_threshold(seed):
    """All scores of a random table at thresholds between, on and beyond its odds; both measures are looked up in them."""
    return [compute(_random(seed), (), null_threshold=float(threshold)) for threshold in np.arange(-4.25, 4.5, 0.25)]


def test_normalisation_goes_by_case_punctuation_articles_and_spaces_in_this_order():
    assert normalise("The  U.S.\tArmy's a-team, an end!") == "us armys ateam end"
    assert normalise("a.n apple") == "apple"
    assert normalise("the — «a» thé") == "— « » thé"
    assert normalise(" The ") == ""


@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "f1"),
    [
        ("Eiffel tower.", ["the Eiffel Tower", "Eiffel Tower in Paris"], 1, 1),
        ("in 1976", ["1976"], 0, 2 / 3),
        ("a", ["The"], 1, 0),
        ("Obama, Barack H.", ["Barack Obama"], 0, 0.8),
    ],
)
def test_the_published_examples_of_squad_1(prediction, answers, exact, f1):
    assert exact_score(prediction, answers, v2=False) == exact
    assert f1_score(prediction, answers, v2=False) == pytest.approx(f1)


def test_squad_1_totals_the_published_examples():
    answers = [["the Eiffel Tower", "Eiffel Tower in Paris"], ["1976"], ["The"], ["Barack Obama"]]
    got = compute(_table(answers, [[(text, 1.0)] for text in ("Eiffel tower.", "in 1976", "a", "Obama, Barack H.")]), ())
    assert got == {"exact": 0.5, "f1": pytest.approx(0.616666667)}


def test_two_texts_without_words_have_an_f1_of_zero_in_squad_1_and_one_in_squad_2():
    assert f1_score("the", ["The"], v2=False) == 0.0
    assert f1_score("the", ["The"], v2=True) == 1.0
    assert f1_score("", [], v2=True) == exact_score("", [], v2=True) == 1.0
    assert f1_score("fox", [], v2=True) == exact_score("fox", [], v2=True) == 0.0


def test_squad_2_ignores_answers_without_words_beside_others():
    assert exact_score("", ["the", "fox"], v2=True) == 0.0
    assert exact_score("", ["the", "fox"], v2=False) == 1.0


def test_f1_counts_a_repeated_word_as_often_as_both_have_it():
    assert f1_score("very very very good", ["very very bad"]) == pytest.approx(2 * 2 / (4 + 3))


def test_a_question_without_answers_is_refused_in_squad_1():
    with pytest.raises(ValueError, match=r"SQuAD 1\.1"):
        compute(_table([[]], [[("fox", 1.0)]]), ())


ORACLE_B = ([["Paris"], ["blue whale"], [], []], ["Paris", "whale", "something", ""], [0.1, 0.3, 0.8, 0.9])


def test_the_published_example_of_squad_2():
    got = compute(_of_odds(*ORACLE_B), (), null_threshold=10.0)
    expected = {
        "exact": 0.5,
        "f1": 2 / 3,
        "has_ans_exact": 0.5,
        "has_ans_f1": 0.833333333,
        "no_ans_exact": 0.5,
        "no_ans_f1": 0.5,
        "null_threshold": 10.0,
        "best_exact": 0.75,
        "official_best_exact": 0.75,
        "best_f1": 0.916666667,
        "official_best_f1": 0.916666667,
    }
    assert got == pytest.approx(expected)


def test_the_published_thresholds_of_squad_2_attain_the_best_scores():
    table = _of_odds(*ORACLE_B)
    assert _by_brute_force(table, "exact", [0.11]) == [0.75]
    assert _by_brute_force(table, "f1", [0.31]) == pytest.approx([0.916666667])


def test_the_official_search_reports_what_no_threshold_attains_when_all_odds_tie():
    table = _of_odds(ORACLE_B[0], ["Paris", "whale", "something", "else"], [0.0] * 4)
    got = compute(table, ())
    assert got["official_best_f1"] == pytest.approx(0.916666667)
    assert sorted({round(f1, 9) for f1 in _by_brute_force(table, "f1", np.linspace(-2, 2, 41))}) == [0.416666667, 0.5]
    assert got["best_f1"] == 0.5
    assert got["f1"] == pytest.approx(0.416666667)


def test_the_official_search_depends_on_the_order_of_tied_questions_and_the_attainable_best_does_not():
    answers, texts = ORACLE_B[0], ["Paris", "whale", "something", "else"]
    reversed_table = _of_odds(answers[::-1], texts[::-1], [0.0] * 4)
    got = compute(reversed_table, ())
    assert got["official_best_f1"] == 0.5
    assert got["best_f1"] == 0.5


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("measure", ["exact", "f1"])
def test_the_attainable_best_equals_a_brute_force_over_thresholds(seed, measure):
    got = compute(_random(seed), ())
    assert got[f"best_{measure}"] == max(scores[measure] for scores in _at_every_threshold(seed))
    assert got[f"official_best_{measure}"] >= got[f"best_{measure}"] - 1e-12


@pytest.mark.parametrize("seed", range(30))
def test_the_tuned_threshold_attains_the_best_f1_is_on_no_tie_and_nearest_zero(seed):
    table = _random(seed)
    threshold = tune(table, ())["null_threshold"]
    got = compute(table, (), null_threshold=threshold)
    assert got["f1"] == got["best_f1"]
    odds = {score for score, row in zip(table["null_score"].to_pylist(), table["candidates"].to_pylist(), strict=True) if row}
    assert threshold not in odds
    levels = sorted(odds)
    between = [levels[0] - 1, *((a + b) / 2 for a, b in itertools.pairwise(levels)), levels[-1] + 1]
    equal = [t for t in between if _by_brute_force(table, "f1", [t])[0] >= got["best_f1"] - 1e-9]
    assert abs(threshold) == min(abs(t) for t in equal)


def test_the_tuned_threshold_lies_midway_between_two_null_odds():
    assert tune(_of_odds(*ORACLE_B), ())["null_threshold"] == pytest.approx((0.3 + 0.8) / 2)


def test_the_tuned_threshold_is_one_beyond_all_odds_where_every_answer_is_better_empty_or_given():
    all_empty = _of_odds([[], []], ["fox", "hen"], [-3.0, 2.0])
    assert tune(all_empty, ()) == {"null_threshold": -4.0}
    all_given = _of_odds([["fox"], ["hen"]], ["fox", "hen"], [-3.0, 2.0])
    assert tune(all_given, ()) == {"null_threshold": 3.0}


@pytest.mark.parametrize("low", [1.0, np.nextafter(1.0, 2)])
def test_neighbouring_floats_keep_their_threshold_apart(low):
    odds = np.array([low, np.nextafter(low, 2)])
    threshold = best_threshold(odds, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert mean_score(odds, np.array([1.0, 0.0]), np.array([0.0, 1.0]), threshold) == 1.0


def test_scores_that_differ_by_rounding_are_equal_when_the_threshold_nearest_zero_is_chosen():
    odds, gains = np.array([1.0, 2.0, 3.0]), np.array([-0.3, 0.1, 0.2])
    assert np.cumsum(gains)[-1] > 0  # which is nothing but rounding
    assert best_threshold(odds, gains, np.zeros(3)) == 0.0


def test_all_answers_empty_is_among_the_attainable():
    thresholds, means = attainable(np.array([-5.0, -5.0, -7.0]), np.zeros(3), np.array([1.0, 1.0, 0.0]))
    assert thresholds.tolist() == [-8.0, -6.0, -4.0]
    assert means == pytest.approx([2 / 3, 2 / 3, 0])


def test_without_any_candidate_the_threshold_is_zero():
    table = _of_odds([["fox"], []], ["", ""], [1.0, -1.0])
    assert tune(table, ()) == {"null_threshold": 0.0}
    got = compute(table, ())
    assert got["exact"] == got["best_exact"] == got["official_best_exact"] == 0.5
    assert predicted_texts(table) == ["", ""]


def test_the_official_search_starts_from_all_empty_and_takes_off_wrong_answers():
    odds, answered = np.array([0.0, 1.0, 2.0, np.inf]), np.array([0.0, 1.0, 1.0, 1.0])
    assert official_best(odds, answered, np.array([False, True, True, False]), np.isfinite(odds)) == (2 - 1 + 1 + 1) / 4
    assert official_best(odds, np.zeros(4), np.array([False, True, True, False]), np.isfinite(odds)) == 2 / 4


def test_the_official_search_takes_nothing_off_for_questions_without_candidates():
    assert official_best(np.full(2, np.inf), np.ones(2), np.array([False, True]), np.zeros(2, bool)) == 1.0


def _find_best_thresh(table, measure):
    """The search of SQuAD 2.0's evaluate-v2.0.py, line by line, over the best candidate of every question."""
    ids = range(table.num_rows)
    golds = table["answers"].to_pylist()
    best = [max(of, key=lambda one: one["score"], default=None) for of in table["candidates"].to_pylist()]
    preds = [one["text"] if one else "" for one in best]
    nulls = table["null_score"].to_pylist()
    na_probs = [null - one["score"] if one else np.inf for null, one in zip(nulls, best, strict=True)]
    scores = [measure(text, of) for text, of in zip(preds, golds, strict=True)]
    cur_score = best_score = sum(not golds[qid] for qid in ids)
    for qid in sorted(ids, key=lambda k: na_probs[k]):
        diff = scores[qid] if golds[qid] else -1 if preds[qid] else 0
        cur_score += diff
        best_score = max(best_score, cur_score)
    return best_score / len(scores)


@pytest.mark.parametrize("seed", range(40))
def test_the_official_search_is_that_of_the_official_script_whatever_the_candidates(seed):
    rng = np.random.default_rng(seed)
    answers = [["red fox"] if rng.random() < 0.5 else [] for _ in range(20)]
    texts = rng.choice(["red fox", "the red hen", "", " ", "the", "?"], 20)
    candidates = [[(str(text), float(rng.integers(-2, 3)))] if rng.random() < 0.9 else [] for text in texts]
    table = _table(answers, candidates, rng.integers(-2, 3, 20).astype(float).tolist())
    got = compute(table, ())
    assert got["official_best_exact"] == pytest.approx(_find_best_thresh(table, exact_score))
    assert got["official_best_f1"] == pytest.approx(_find_best_thresh(table, f1_score))


def test_an_empty_candidate_of_an_unanswerable_question_takes_nothing_off():
    table = _table([[], [], ["red"]], [[("", 1.0)], [("", 1.0)], [("red", 0.0)]], [0.0, 0.0, 0.0])
    assert compute(table, ())["official_best_f1"] == 1.0


def test_the_official_search_walks_tied_questions_in_the_order_of_the_table():
    rng = np.random.default_rng(0)
    odds, has_answer = rng.integers(0, 3, 2000).astype(float), np.arange(2000) < 1000
    walk = sorted(range(2000), key=lambda i: odds[i])
    highest = max(np.cumsum([1 if has_answer[i] else -1 for i in walk]))
    assert official_best(odds, np.ones(2000), has_answer, np.ones(2000, bool)) == (1000 + highest) / 2000
    assert official_best(np.zeros(2000), np.ones(2000), ~has_answer, np.ones(2000, bool)) == 0.5


def test_the_answer_is_empty_only_where_the_null_odds_exceed_the_threshold():
    table = _table([["fox"]] * 3, [[("fox", 2.0)]] * 3, [1.5, 2.0, 2.5])
    assert predicted_texts(table) == ["fox", "fox", ""]
    assert predicted_texts(table, -0.25) == ["fox", "", ""]
    assert predicted_texts(table, 0.5) == ["fox", "fox", "fox"]


def test_the_best_candidate_is_the_one_with_the_highest_score_and_the_first_among_equals():
    table = _table([["x"]] * 3, [[("low", 1.0), ("high", 3.0), ("same", 3.0)], [], [("only", -9.0)]])
    assert predicted_texts(table) == ["high", "", "only"]
    assert predicted_texts(table.slice(1)) == ["", "only"]
    assert predicted_texts(pa.concat_tables([table.slice(2), table.slice(0, 1)])) == ["only", "high"]


def test_scores_of_each_question_average_to_the_totals():
    table = _random(5)
    each = per_question(table, 0.5)
    got = compute(table, (), null_threshold=0.5)
    assert len(each["f1"]) == table.num_rows
    assert (each["exact"].mean(), each["f1"].mean()) == (got["exact"], got["f1"])


def test_groups_without_questions_are_absent():
    answerable = compute(_of_odds([["fox"]], ["fox"], [0.0]), ())
    assert answerable["has_ans_f1"] == 1.0
    assert not any(name.startswith("no_ans") for name in answerable)
    assert not any(name.startswith("has_ans") for name in compute(_of_odds([[]], ["fox"], [0.0]), ()))


def test_squad_1_has_no_threshold_and_no_confusion_table():
    table = _table([["fox"]], [[("fox", 1.0)]])
    assert tune(table, ()) == {}
    assert confusion(table, ()) is None
    assert per_question(table)["exact"].tolist() == [1.0]


def test_confusion_counts_answerable_and_answered():
    table = _of_odds([["fox"], ["fox"], ["fox"], [], []], ["fox", "wrong", "fox", "fox", ""], [-1.0, -1.0, 1.0, -1.0, -1.0])
    names, counts = confusion(table, ())
    assert names == ("answerable", "unanswerable")
    assert counts.tolist() == [[2, 1], [1, 1]]
    assert confusion(table, (), null_threshold=2.0)[1].tolist() == [[3, 0], [1, 1]]


def _gold(*answers):
    return pa.table({"answers": pa.array(list(answers), pa.list_(pa.string()))})


def test_the_majority_never_answers():
    got = majority(_gold(["fox"], []), _gold(["fox"], ["hen"], []), ())
    expected = {"exact": 1 / 3, "f1": 1 / 3, "has_ans_exact": 0, "has_ans_f1": 0, "no_ans_exact": 1, "no_ans_f1": 1}
    expected |= {"best_exact": 1 / 3, "best_f1": 1 / 3}  # no threshold changes an empty answer
    assert got == pytest.approx(expected)
    assert majority(_gold(["fox"], []), _gold(["fox"]), ())["has_ans_f1"] == 0.0
    assert majority(_gold(["fox"]), _gold(["fox"]), ()) == {"exact": 0.0, "f1": 0.0}


@pytest.mark.parametrize(
    ("candidates", "null_scores", "message"),
    [
        ([[("a", np.nan)], []], [0.0, 0.0], "candidate scores"),
        ([[("a", 1.0)], []], [np.inf, 0.0], "null scores"),
        ([[("a", 1.0)], []], [0.0, None], "'null_score' holds null"),
    ],
)
def test_predictions_that_cannot_be_scored_are_refused(candidates, null_scores, message):
    with pytest.raises(ValueError, match=message):
        compute(_table([["a"], []], candidates, null_scores), ())


@pytest.mark.parametrize("threshold", [np.nan, np.inf, -np.inf])
def test_a_threshold_that_is_not_finite_is_refused(threshold):
    with pytest.raises(ValueError, match="finite"):
        compute(_of_odds(*ORACLE_B), (), null_threshold=threshold)


def test_a_table_without_questions_is_refused():
    with pytest.raises(ValueError, match="no examples"):
        question_answering.compute(_of_odds(*ORACLE_B).slice(0, 0), ())
