"""What seeds answer, unit by unit, for every head that answers in categories."""

import numpy as np
import pyarrow as pa
import pytest

from bertft_core.config.head_settings import HEAD_CONFIGS, TokenClassificationHead
from bertft_core.metrics import METRICS
from tests.helpers.ensemble_tables import BIO, asked, log, multi_labelled, numbered, tagged
from tests.helpers.small_records import classified


def of(kind, tables, labels=(), tuned=None):
    return METRICS[kind].categorised(tables, tuned or [{}] * len(tables), labels, HEAD_CONFIGS[kind]())


def test_classes():
    tables = [classified(["a", "b"], [0, 1], log(shares)) for shares in ([[0.9, 0.1], [0.4, 0.6]], [[0.3, 0.7], [0.2, 0.8]])]
    found = of("classification", tables, ("no", "yes"))
    assert found.answers.tolist() == [[0, 1], [1, 1]]
    assert found.right.tolist() == [[True, False], [True, True]]
    assert (found.unit, list(found.gold), found.rows.tolist()) == ("example", ["no", "yes"], [0, 1])
    assert found.probabilities[1]() == pytest.approx(np.array([[0.3, 0.7], [0.2, 0.8]]), abs=1e-6)


def test_each_label_of_an_example_is_a_unit():
    found = of("multi_label", [multi_labelled([[1, 0]], [[2.0, -1.0]]), multi_labelled([[1, 0]], [[-2.0, -1.0]])], ("x", "y"))
    assert found.answers.tolist() == [[1, 0], [0, 0]]
    assert found.right.tolist() == [[True, False], [True, True]]
    assert (list(found.gold), list(found.parts), found.rows.tolist()) == (["on", "off"], ["x", "y"], [0, 0])
    assert found.probabilities[0]()[0] == pytest.approx([1 / (1 + np.e**2), 1 / (1 + np.e**-2)])


def test_each_word_is_a_unit_and_a_crf_stores_no_probabilities():
    tables = [tagged([[1, 2], [0]], answers) for answers in ([[1, 2], [0]], [[1, 0], [1]])]
    found = of("token_classification", tables, BIO)
    assert found.answers.tolist() == [[1, 1], [2, 0], [0, 1]]
    assert (list(found.parts), found.rows.tolist()) == (["word 1", "word 2", "word 1"], [0, 0, 1])
    assert list(found.gold) == ["B-X", "I-X", "O"]
    assert found.probabilities[0]() == pytest.approx(np.full((3, 3), 1 / 3))
    of_crf = METRICS["token_classification"].categorised(tables, [{}, {}], BIO, TokenClassificationHead(crf=True))
    assert of_crf.probabilities is None


def test_questions_are_the_same_answer_where_squad_says_so_and_use_their_own_threshold():
    tables = [
        asked([["Paris"], []], [[("The Paris", 0, 3.0)], [("x", 0, 1.0)]], [0.0, 1.5]),
        asked([["Paris"], []], [[("paris", 4, 2.0)], [("x", 0, 1.0)]], [0.0, 1.5]),
    ]
    found = of("question_answering", tables, tuned=[{"null_threshold": 0.0}, {"null_threshold": 1.0}])
    assert found.answers.tolist() == [[0, 0], [1, 2]]
    assert [found.names[i] for i in (0, 1, 2)] == ["The Paris", "(no answer)", "x"]
    assert found.right.tolist() == [[True, True], [True, False]]
    assert list(found.gold) == ["Paris", "(no answer)"]


def test_numbers_are_no_categories_and_every_other_head_is_known():
    assert of("regression", [numbered([1.0], [0.5]), numbered([1.0], [0.6])]) is None
    assert {kind for kind, metrics in METRICS.items() if metrics.categories is None} == {"regression", "masked_lm"}


def test_seeds_with_other_examples_are_refused():
    one, other = (classified(ids, [0], np.zeros((1, 2))) for ids in (["a"], ["b"]))
    assert isinstance(one, pa.Table)
    with pytest.raises(ValueError, match="different examples"):
        of("classification", [one, other], ("no", "yes"))
