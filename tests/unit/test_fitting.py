"""Text fitted to a terminal's width: nothing is lost, nothing is too long, and commands stay whole."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertft_core.report.formatting.aligned_table import aligned
from flows.cli.fitting import fitted

WORDS = st.sampled_from(["a", "of", "seeds,", "(test)", "a-long-word.", "reproducible"])
LINES = st.builds(lambda indent, words: " " * indent + " ".join(words), st.integers(0, 8), st.lists(WORDS, max_size=20))


@given(st.lists(LINES, max_size=4), st.integers(60, 120))
def test_sentences_keep_their_words_and_have_room(lines, width):
    text = "\n".join(lines)
    shown = fitted(text, width)
    assert shown.split() == text.split()
    assert max(map(len, shown.split("\n"))) <= max(width, 0)


@given(st.lists(st.lists(WORDS, min_size=5, max_size=5), min_size=2, max_size=6), st.integers(40, 100))
def test_a_wide_table_comes_in_parts_with_all_its_cells(rows, width):
    table = aligned(rows)
    shown = fitted(table, width)
    cells = re.findall(r"\S+", shown)
    assert set(cells) == {cell for row in rows for cell in row}
    assert max(map(len, shown.split("\n"))) <= max(width, 27), "two columns always stand beside each other"


def test_what_fits_is_left_alone():
    table = aligned([("arm", "mean"), ("full", "0.9")])
    assert fitted(table, 40) == table
    assert fitted("a  b\n" * 3, 80) == "a  b\n" * 3


def test_the_last_column_is_wrapped_where_it_has_room():
    rows = [("study", "headline"), ("claims", "accuracy on test: untrained 0.212, full 0.896")]
    assert fitted(aligned(rows), 40).split("\n") == [
        "study   headline",
        "claims  accuracy on test: untrained",
        "        0.212, full 0.896",
    ]


def test_the_first_column_begins_every_part():
    rows = [(f"arm-{i}", *["0.123 to 0.456"] * 4) for i in range(2)]
    first, second = fitted(aligned(rows), 48).split("\n\n")
    assert [line.split()[0] for line in (*first.split("\n"), *second.split("\n"))] == ["arm-0", "arm-1"] * 2


def test_later_lines_stand_under_the_words_of_the_first():
    assert fitted("  hint:     run it to its end, then make the report of what is there", 40).split("\n") == [
        "  hint:     run it to its end, then make",
        "            the report of what is there",
    ]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_command_has_a_line_of_its_own_and_is_never_broken(width):
    command = "bertft report claims --home /home/somebody/with/a/long/path/to/a/home"
    shown = fitted(f"  hint:     run it to its end, or make the report of what is there: {command}", width)
    assert shown.split("\n")[-1].strip() == command
    assert fitted(f"look      {command} --study claims", 40).endswith(f"{command} --study claims")


def test_what_is_no_command_to_the_end_of_its_line_stays_in_its_sentence():
    text = "  hint:     run it first: bertft run CONFIG, with the same --home"
    assert fitted(text, 80) == text
