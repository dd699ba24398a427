"""Label names that a reader takes for one, numbers, and cells with several labels."""

from __future__ import annotations

import pytest

from bertft_core.data.label_shapes import are_a_measure, look_alikes, number_of, separator_of


@pytest.mark.parametrize(
    "group",
    [
        ["pos", "Pos", "POS"],
        ["caf\u00e9", "cafe\u0301"],
        ["1", "1.0", "01", "+1"],
        ["10", "1e1"],
        ["ab", "a\u200bb"],
        ["ab", "a\u00adb"],
        ["new york", "New  York", "new\u00a0york"],
        ["cop", "\u0441\u043e\u0440"],
        ["HE", "\u041d\u0415"],
        ["\u041d\u0435\u0442", "\u043d\u0435\u0442"],
        ["stra\u00dfe", "STRASSE"],
        ["A", "\u0391"],
    ],
)
def test_names_that_look_alike_are_one_group(group):
    assert look_alikes(["other", *group, "0"]) == [group]


@pytest.mark.parametrize(
    "names",
    [
        ["pos", "neg", "neutral"],
        ["0", "1", "10", "0.1"],
        ["B-PER", "I-PER", "B-LOC", "O"],
        ["1", "one", "I", "l"],
        ["resume", "r\u00e9sum\u00e9"],
        ["``", "''", ".", ","],
        ["nan", "inf", "1e999999"],
    ],
)
def test_different_names_are_no_group(names):
    assert look_alikes(names) == []


def test_three_names_of_one_shape_are_one_group_and_not_also_two():
    assert look_alikes(["a", "A", "\u0430"]) == [["a", "A", "\u0430"]]


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["0,1,9", "2", "0", "1", "9"], ","),
        (["x,z", "x", "z,y", "y"], ","),
        (["x; z", "x", "z"], ";"),
        (["New York, NY", "Boston"], None),
        (["a", "b"], None),
        (["1,5", "2,5", "3,5"], None),
        ([",", "."], None),
        ([], None),
    ],
)
def test_a_separator_is_what_joins_labels_that_occur_elsewhere_too(cells, separator):
    assert separator_of(cells) == separator


@pytest.mark.parametrize(
    ("cells", "measure"),
    [(["0.0", "1.0"], False), ([0.0, 1.0], False), (["1.45", "2"], True), (range(20), False), (range(21), True)],
)
def test_whole_numbers_are_whole_however_they_are_written(cells, measure):
    assert are_a_measure([number for cell in cells if (number := number_of(cell)) is not None]) is measure


@pytest.mark.parametrize("cell", ["nan", "inf", "1_000", "", " ", True, None, float("nan"), float("inf"), "x1", "1" * 5000])
def test_what_is_no_number_is_none(cell):
    assert number_of(cell) is None
