"""The guide of recommend and diagnose says what the tables of the code say, and its commands do what it says."""

from __future__ import annotations

import itertools
import re

from bertft_core.data import usual_columns
from bertft_core.evaluation.diagnosis.diagnose_study import CHECKS
from bertft_core.recipes.hyperparameters import BANDS
from bertft_core.recipes.study_yaml import number
from tests.helpers.markdown import ROOT

GUIDE = (ROOT / "docs" / "guides" / "recipes.md").read_text(encoding="utf-8")


def rows(after: str) -> list[list[str]]:
    """The cells of the first table behind these words, without its head."""
    lines = itertools.dropwhile(lambda line: not line.startswith("|"), GUIDE[GUIDE.index(after) :].splitlines())
    table = list(itertools.takewhile(lambda line: line.startswith("|"), lines))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def test_the_sizes_are_those_of_the_table():
    shown = [(row[1].split()[0], row[2], row[3], row[4]) for row in rows("The tables are in `bertft_core/recipes`")]
    assert shown == [(number(b.learning_rate), str(b.batch_size), number(float(b.epochs)), str(b.n_seeds)) for b in BANDS]
    assert len(shown) >= 5


def test_the_checks_are_those_of_the_table_in_its_order():
    shown = [row[0].strip("`") for row in rows("## Diagnose")]
    assert shown == list(CHECKS)
    assert "goes through sixteen checks" in " ".join(GUIDE.split())
    assert len(CHECKS) == 16


def test_the_names_of_columns_that_it_calls_usual_are():
    known = {*usual_columns.TEXTS, *usual_columns.LABELS, *usual_columns.TOKENS, *usual_columns.TAGS, *usual_columns.QUESTION}
    known |= {name for pair in usual_columns.PAIRS for name in pair}
    (paragraph,) = re.findall(r"^A text is a column .*?\. ", GUIDE, re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`(\w+)`", paragraph))
    assert len(named) >= 15
    assert named <= known
