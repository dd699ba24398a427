"""Sentences about results are in `report/prose/` alone; the rest of the report, evaluation and records have labels."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.product_modules import MODULES, ROOT

PROSE = ROOT / "bertft_core" / "report" / "prose"
LABELLED = [ROOT / "bertft_core" / name for name in ("report", "evaluation", "records")]
VERBS = "is|are|was|were|has|have|had|can|cannot|will|would|does|do|did|ended|varies|differ|differs|gives|agree|need|needs"
SENTENCE = re.compile(
    rf"^(?!what |how ).*\b[\w'-]+ [\w ,'-]*\b(?:{VERBS})\b [\w{{]|\w{{2,}} \w{{2,}} [^.]*\w[}}\w]\.(?: |$)|; \w+ \w+ \w+"
)
"""A heading, a column's name or the label of an axis is a noun phrase, or a question that starts with 'what' or 'how'.
A sentence has a verb between two words, a full stop after at least three words, or a second clause after a semicolon."""


def texts_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string but docstrings and errors; an f-string as a whole, with {} for its values."""
    quiet = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Raise, ast.Assert)) or (isinstance(node, ast.Call) and _name(node.func).endswith("Error")):
            quiet |= {id(inner) for inner in ast.walk(node)}
        elif isinstance(node, ast.JoinedStr):
            quiet |= {id(part) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in quiet:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def sentences_in(path: Path) -> list[str]:
    found = texts_in(ast.parse(path.read_text(encoding="utf-8")))
    return [f"{path.relative_to(ROOT)}:{line}: {text}" for line, text in found if SENTENCE.search(text) and "<" not in text]


def test_only_prose_has_sentences_about_results():
    labelled = [path for path in MODULES if any(path.is_relative_to(folder) for folder in LABELLED)]
    assert len(labelled) >= 80
    assert [found for path in labelled if PROSE not in path.parents for found in sentences_in(path)] == []


def test_the_rule_finds_the_sentences_of_prose():
    assert sum(bool(sentences_in(path)) for path in PROSE.glob("*.py")) >= 15


LABELS = (
    "P(row better than column), accuracy on test",
    "standard deviation of {} on {} by source",
    "what these seeds can detect",
)


@pytest.mark.parametrize("label", LABELS)
def test_a_label_is_no_sentence(label):
    assert not SENTENCE.search(label)
